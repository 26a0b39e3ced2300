"""Reads the one partition of a topic from its beginning, up to where it ends at the moment of asking."""

from __future__ import annotations

import time
from collections.abc import Callable

from confluent_kafka import Consumer as Client
from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from streams.errors import KafkaUnavailable, StreamError, TopicMissing
from streams.kafka import LOGGER, UNKNOWN_TOPIC, Kafka, log_client_error, passes_by_itself, said
from streams.topic_reader import READING
from streams.topics import Topics

Take = Callable[[bytes, bytes | None], None]
"""Is given each record's key and value, in the order of the log."""

_READING = {
    **READING,
    "group.id": "millrace-record-log",
    "fetch.wait.max.ms": 10,
}
_PROMISES = {"isolation.level": "read_committed"}


class LogReader:
    """Creates the topic, compacted, when it is missing. One thread at a time may use it; its calls block for up to
    `timeout` seconds, and raise `KafkaUnavailable` when that was not enough.

    Args:
        take: called with each record, during `read`.

    Attributes:
        next: the offset that follows what was read.
        at: the offset of the record that was taken last; -1 before that.

    Raises:
        StreamError: the topic has several partitions, and so no single order.
    """

    def __init__(self, kafka: Kafka, topic: str, take: Take, timeout: float) -> None:
        self._topic, self._take, self._timeout = topic, take, timeout
        self.at = -1
        topics = Topics(kafka, timeout)
        try:
            found = topics.ensure(topic, partitions=1, config={"cleanup.policy": "compact"})
            self.next, _ = topics.ends([topic])[topic, 0]  # "the beginning" would be looked up for half a second
        finally:
            topics.close()
        if found != 1:
            raise StreamError(f"Topic {topic} has {found} partitions, so no single order; name one with one partition.")
        self._kafka = kafka
        self._client = self._connected()

    def read(self) -> None:
        """Take everything that was acknowledged to any writer before this call, as far as compaction kept it."""
        try:
            end = self._end()
        except TopicMissing:  # a broker that stops, or starts, says so, and the client believes it for minutes
            self._client.close()
            self._client = self._connected()
            end = self._end_of_known()
        self.read_to(end)

    def read_to(self, end: int) -> None:
        """Take what stands before the offset `end`. In between nothing is fetched: whoever looks often and finds
        nothing new would else ask Kafka a hundred times a second."""
        if self.next >= end:
            return
        until = time.monotonic() + self._timeout
        self._client.assign([TopicPartition(self._topic, 0, self.next)])
        try:
            while self.next < end:
                if time.monotonic() > until:
                    raise KafkaUnavailable(f"{self._topic} could not be read up to {end} within {self._timeout:g} s.")
                for message in self._client.consume(1_000, 0.005):
                    self._taken(message)
        finally:
            self._client.unassign()

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()

    def _connected(self) -> Client:
        return Client(self._kafka.client(_READING, {**_PROMISES, "error_cb": log_client_error}), logger=LOGGER)

    def _end(self) -> int:
        try:
            found = self._client.get_watermark_offsets(TopicPartition(self._topic, 0), timeout=self._timeout)
        except KafkaException as failure:
            raise said(failure.args[0], f"Asking for the end of {self._topic}", self._topic) from failure
        return found[1] if found is not None else 0

    def _end_of_known(self) -> int:
        """The end, asked by a new client."""
        try:
            return self._end()
        except TopicMissing as error:
            raise KafkaUnavailable(
                f"Kafka does not know the topic {self._topic}, which was there: it is starting or stopping, or the "
                "topic was deleted."
            ) from error

    def _taken(self, message: Message) -> None:
        error, offset = message.error(), message.offset()
        if error is None and offset is not None:
            self.at = offset
            self._take(message.key() or b"", message.value())
            self.next = offset + 1
        elif error is not None and error.code() == KafkaError._PARTITION_EOF:
            self.next = max(self.next, offset or 0)  # compaction may have removed the last offsets
        elif error is not None and not passes_by_itself(error) and error.code() not in UNKNOWN_TOPIC:
            raise said(error, f"Reading {self._topic}", self._topic)
