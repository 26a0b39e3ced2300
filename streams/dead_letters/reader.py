"""Reads the dead letters of a topic, as many as there are when it begins."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from confluent_kafka import Consumer as Client
from confluent_kafka import Message, TopicPartition

from streams.dead_letters.dead_letters import SUFFIX, dead_letter_topic
from streams.dead_letters.headers import letter_of
from streams.dead_letters.letter import Letter
from streams.errors import StreamError
from streams.kafka import LOGGER, Kafka, log_client_error
from streams.topic_reader import READING, messages_until
from streams.topics import Topics

AT_ONCE = 500
"""Letters that are taken from the client at once."""
_READING = {
    **READING,
    "group.id": "millrace-dead-letters",
    "queued.max.messages.kbytes": 16_384,
    "fetch.wait.max.ms": 20,
}


class LetterReader:
    """Reads dead letters. Its calls block, and raise KafkaUnavailable where nothing comes for `timeout` seconds."""

    def __init__(self, kafka: Kafka, timeout: float = 10.0) -> None:
        self._kafka, self._timeout = kafka, timeout

    @cached_property
    def _topics(self) -> Topics:
        return Topics(self._kafka, self._timeout)

    def topics(self) -> list[str]:
        """The topics that have dead letters, by name."""
        return [name.removesuffix(SUFFIX) for name in self._topics.names() if name.endswith(SUFFIX)]

    def must_exist(self, topic: str) -> None:
        """Raise StreamError where there is neither such a topic nor dead letters of it."""
        names = set(self._topics.names())
        if not names & {topic, dead_letter_topic(topic)}:
            known = ", ".join(sorted(name for name in names if not name.startswith("_") and not name.endswith(SUFFIX)))
            raise StreamError(f"There is no topic {topic!r}; there are {known or 'none'}.")

    def partitions(self, topic: str) -> int:
        """How many partitions a topic has. Raises TopicMissing."""
        return self._topics.partitions(topic)

    def ends(self, topic: str) -> tuple[int, int]:
        """The first number that is kept of a topic, and the one after the last; (0, 0) where none is.

        Raises:
            StreamError: its dead letters have several partitions, and so no single order.
        """
        name = dead_letter_topic(topic)
        found = self._topics.ends([name]) if name in self._topics.names() else {(name, 0): (0, 0)}
        if len(found) != 1:
            raise StreamError(
                f"{name} has {len(found)} partitions; dead letters are kept in one. Was it made by others?"
            )
        return found[name, 0]

    def identity(self, topic: str) -> str:
        """What tells the dead letters of a topic from those of the same name that were deleted before."""
        return self._topics.identity(dead_letter_topic(topic))

    def read(self, topic: str, first: int = 0, newest: int | None = None) -> Iterator[Letter]:
        """The letters of a topic, oldest first, up to those that are there now. What was kept twice comes once.

        Args:
            first: the number to begin at.
            newest: only so many at the end.
        """
        low, high = self.ends(topic)
        first = max(low, first, low if newest is None else high - newest)
        seen: set[tuple[int, int]] = set()
        for message in self._messages(topic, first, high):
            letter = letter_of(message, topic)
            at = letter.event.partition, letter.event.offset
            if letter.place is None or at not in seen:
                yield letter
            if letter.place is not None:
                seen.add(at)

    def _messages(self, topic: str, first: int, high: int) -> Iterator[Message]:
        if first >= high:
            return
        name = dead_letter_topic(topic)
        client = Client(self._kafka.client(_READING, {"error_cb": log_client_error}), logger=LOGGER)
        try:
            client.assign([TopicPartition(name, 0, first)])
            for messages in messages_until(client, name, {0: high}, self._timeout, AT_ONCE):
                yield from messages
        finally:
            client.close()
