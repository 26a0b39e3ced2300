"""Looks into the log of a topic: no group is joined, no position is kept, nothing is consumed for anybody."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from confluent_kafka import Consumer as Client
from confluent_kafka import KafkaException, TopicPartition

from streams.errors import TopicMissing
from streams.kafka import LOGGER, Kafka, log_client_error, said
from streams.logged import Logged, logged
from streams.topic_reader import READING, messages_until
from streams.topics import Topics

Spans = Mapping[int, tuple[int, int]]
"""For some partitions the first offset that is read, and the one after the last."""
AT_ONCE = 100
BLOCK = 1_000
"""Messages of one partition that a search reads at once."""
_READING = {
    **READING,
    "group.id": "millrace-log-view",
    "queued.max.messages.kbytes": 4_096,
    "max.partition.fetch.bytes": 1_048_576,
    "fetch.wait.max.ms": 20,
}
_PROMISES = {"isolation.level": "read_committed"}


@dataclass(frozen=True, slots=True)
class Limit:
    """So much is read of a topic at most, and no more: messages and bytes."""

    messages: int
    size: int


class LogView:
    """Reads stretches of a log. One call at a time; each blocks, and raises TopicMissing, or KafkaUnavailable where
    nothing comes for `timeout` seconds."""

    def __init__(self, kafka: Kafka, timeout: float = 5.0) -> None:
        self._timeout, self._turn = timeout, threading.Lock()
        self._topics = Topics(kafka, timeout)
        self._client = Client(kafka.client(_READING, {**_PROMISES, "error_cb": log_client_error}), logger=LOGGER)

    def names(self) -> list[str]:
        """All topics but Kafka's own."""
        return self._topics.names()

    def ends(self, topic: str) -> dict[int, tuple[int, int]]:
        """For each partition the first offset it holds and the one after its last."""
        return {partition: held for (_, partition), held in self._topics.ends([topic]).items()}

    def read(self, topic: str, spans: Spans, size: int) -> list[Logged]:
        """What stands in these spans, in no order between partitions; ends early after so many bytes."""
        wanted = {partition: span for partition, span in spans.items() if span[0] < span[1]}
        found: list[Logged] = []
        with self._turn:
            try:
                self._client.assign([TopicPartition(topic, at, first) for at, (first, _) in wanted.items()])
                ends = {partition: high for partition, (_, high) in wanted.items()}
                for messages in messages_until(self._client, topic, ends, self._timeout, AT_ONCE):
                    found += map(logged, messages)
                    if sum(event.size for event in found) > size:
                        break
            finally:
                self._client.unassign()
        return found

    def newest(self, topic: str, spans: Spans, size: int) -> list[Logged]:
        """What stands at the end of these spans: of large messages fewer, so that about so many bytes are read."""
        while True:
            found = self.read(topic, spans, size)
            total, longest = (
                sum(event.size for event in found),
                max((high - low for low, high in spans.values()), default=0),
            )
            if total <= size or longest == 1:
                return found
            fitting = int(size / (total / len(found)) / len(spans))
            most = max(1, min(fitting, longest // 2))
            spans = {at: (max(first, high - most), high) for at, (first, high) in spans.items()}

    def at(self, topic: str, partition: int, offset: int) -> Logged | None:
        """The message at a position; None where the log does not hold it."""
        low, high = self.ends(topic).get(partition, (0, 0))
        if not low <= offset < high:
            return None
        found = self.read(topic, {partition: (offset, offset + 1)}, 1)
        return next((event for event in found if event.offset == offset), None)

    def backwards(self, topic: str, limit: Limit) -> Iterator[list[Logged]]:
        """The newest messages of a topic, in blocks from its end on, until the limit."""
        ends = self.ends(topic)
        reached = {partition: high for partition, (_, high) in ends.items()}
        left, size = limit.messages, limit.size
        while left > 0 and size > 0:
            share = max(1, min(BLOCK, left // max(1, len(ends))))
            spans = {at: (max(ends[at][0], high - share), high) for at, high in reached.items()}
            spans = {at: span for at, span in spans.items() if span[0] < span[1]}
            if not spans:
                return
            found = self.newest(topic, spans, size)
            yield found
            left -= len(found)
            size -= sum(event.size for event in found)
            for at, (first, _) in spans.items():
                reached[at] = min((event.offset for event in found if event.partition == at), default=first)

    def since(self, topic: str, partition: int, moment_ms: int, limit: Limit) -> list[Logged]:
        """The first messages of a partition that the log took from a moment on."""
        try:
            place = TopicPartition(topic, partition, moment_ms)
            [found] = self._client.offsets_for_times([place], timeout=self._timeout)
        except KafkaException as failure:
            raise said(failure.args[0], f"Looking for a time in {topic}", topic) from failure
        held = self.ends(topic).get(partition)
        if held is None:
            raise TopicMissing(topic)
        if found.offset < 0:
            return []
        return self.read(topic, {partition: (found.offset, min(held[1], found.offset + limit.messages))}, limit.size)

    def close(self) -> None:
        """Let go of the connections."""
        with self._turn:
            self._client.close()
        self._topics.close()
