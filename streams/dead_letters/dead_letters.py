"""Refused events, kept in Kafka with their bytes, their place and the reason."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from streams.dead_letters.headers import Origin, headers_of, key_of
from streams.deliveries import Deliveries
from streams.producer import Producer
from streams.rejected import Rejected
from streams.topics import Topics

SUFFIX = "-dead-letters"
_CONFIG = {"retention.ms": "-1", "max.message.bytes": "2097152"}


def dead_letter_topic(topic: str) -> str:
    """The topic that keeps what was refused from `topic`."""
    return topic + SUFFIX


class DeadLetters:
    """Keeps refused events in `<topic>-dead-letters`, without a limit of time.

    An event from the log has the key `<topic>/<partition>/<offset>`, because after a crash it may be kept a second
    time; one that never reached the log has a random key.
    """

    def __init__(self, producer: Producer, origin: Origin | None = None) -> None:
        self._producer, self._origin = producer, origin or Origin()
        self._ensured: set[str] = set()

    def send(self, rejected: Sequence[Rejected]) -> None:
        """Keep events. Blocks until Kafka has acknowledged them all.

        Raises:
            DeliveryFailed: it did not; send them all again before a position passes them.
            KafkaUnavailable: the topic could not be created.
        """
        if not rejected:
            return
        self._ensure({dead_letter_topic(letter.topic) for letter in rejected})
        complete = threading.Event()
        deliveries = Deliveries(len(rejected), complete.set)
        for index, letter in enumerate(rejected):
            self._producer.send_bytes(
                dead_letter_topic(letter.topic),
                key_of(letter),
                letter.value,
                headers_of(letter, self._origin),
                on_delivery=deliveries.acknowledged(index),
            )
        complete.wait()  # each delivery succeeds or fails within delivery.timeout.ms
        deliveries.check()

    def _ensure(self, names: set[str]) -> None:
        if names <= self._ensured:
            return
        topics = Topics(self._producer.kafka)
        try:
            for name in names - self._ensured:
                topics.ensure(name, partitions=1, config=_CONFIG)
        finally:
            topics.close()
        self._ensured |= names
