"""Refused events, kept in Kafka with their bytes, their place and the reason."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Sequence

from confluent_kafka import Consumer, Message, TopicPartition

from streams.deliveries import Deliveries
from streams.kafka import Kafka, said
from streams.producer import Producer
from streams.rejected import NO_POSITION, Rejected
from streams.topics import Topics

SUFFIX = "-dead-letters"
_LONGEST_REASON = 2_000
_CONFIG = {"retention.ms": "-1", "max.message.bytes": "2097152"}
_PREFIX = "__connect.errors."  # the names of Kafka Connect's dead letter queue, which tools know
_TOPIC, _PARTITION, _OFFSET = _PREFIX + "topic", _PREFIX + "partition", _PREFIX + "offset"
_ERROR, _REASON = _PREFIX + "exception.class.name", _PREFIX + "exception.message"
_KEY, _TIMESTAMP = "millrace.key", "millrace.timestamp"


def dead_letter_topic(topic: str) -> str:
    """The topic that keeps what was refused from `topic`."""
    return topic + SUFFIX


class DeadLetters:
    """Keeps refused events in `<topic>-dead-letters`, without a limit of time.

    An event from the log has the key `<topic>/<partition>/<offset>`, because after a crash it may be kept a second
    time; one that never reached the log has a random key.
    """

    def __init__(self, producer: Producer) -> None:
        self._producer = producer
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
                _key(letter),
                letter.value,
                _headers(letter),
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


def read(kafka: Kafka, topic: str, limit: int, timeout: float = 10.0) -> list[Rejected]:
    """The first `limit` events refused from `topic`, oldest first. Blocks; no dead letters yet give an empty list."""
    name = dead_letter_topic(topic)
    topics = Topics(kafka, timeout)
    try:
        ends = topics.ends([name]) if name in topics.names() else {}
    finally:
        topics.close()
    left = sum(high - low for low, high in ends.values())
    found: list[Rejected] = []
    client = Consumer(kafka.client({}, {"group.id": "millrace-dead-letters", "enable.auto.commit": False}))
    try:
        client.assign([TopicPartition(*at, low) for at, (low, _) in ends.items()])
        until = time.monotonic() + timeout
        while len(found) < min(limit, left) and time.monotonic() < until:
            found += [_letter(message) for message in client.consume(min(limit, left) - len(found), 0.2)]
    finally:
        client.close()
    return found


def _key(letter: Rejected) -> bytes:
    if letter.offset == NO_POSITION:
        return uuid.uuid4().hex.encode()
    return f"{letter.topic}/{letter.partition}/{letter.offset}".encode()


def _headers(letter: Rejected) -> list[tuple[str, bytes]]:
    texts = {
        _TOPIC: letter.topic,
        _PARTITION: str(letter.partition),
        _OFFSET: str(letter.offset),
        _ERROR: letter.error,
        _REASON: letter.reason[:_LONGEST_REASON],
        _TIMESTAMP: str(letter.timestamp_ms),
    }
    headers = [(name, text.encode("utf-8", "replace")) for name, text in texts.items()]
    return headers if letter.key is None else [*headers, (_KEY, letter.key)]


def _letter(message: Message) -> Rejected:
    error = message.error()
    if error is not None:
        raise said(error, f"Reading from {message.topic()}", message.topic())
    headers = {name: value if isinstance(value, bytes) else b"" for name, value in list(message.headers() or [])}
    texts = {name: value.decode("utf-8", "replace") for name, value in headers.items() if name != _KEY}
    return Rejected(
        topic=texts[_TOPIC],
        partition=int(texts[_PARTITION]),
        offset=int(texts[_OFFSET]),
        timestamp_ms=int(texts[_TIMESTAMP]),
        key=headers.get(_KEY),
        value=message.value(),
        error=texts[_ERROR],
        reason=texts[_REASON],
    )
