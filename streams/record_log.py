"""The registry's log of records, on one partition of a compacted topic."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from confluent_kafka import Consumer as Reader
from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka import Producer as Writer

from streams.errors import KafkaUnavailable, StreamError
from streams.kafka import LOGGER, Kafka, log_client_error, passes_by_itself, said
from streams.topics import Topics

Record = tuple[bytes, bytes | None]


class KafkaRecordLog:
    """`schemas.RecordLog` over Kafka: all writers' records in the one order that every reader sees.

    Creates its topic when it is missing. Any thread may use it; its calls block, one at a time, for up to `timeout`
    seconds, and raise `KafkaUnavailable` when that was not enough.
    """

    def __init__(self, kafka: Kafka, topic: str = "_schemas", timeout: float = 10.0) -> None:
        self._topic, self._timeout = topic, timeout
        self._lock = threading.Lock()
        self._records: list[Record] = []
        self._next = 0  # the offset that follows what was read
        topics = Topics(kafka, timeout)
        try:
            found = topics.ensure(topic, partitions=1, config={"cleanup.policy": "compact"})
            low, _ = topics.ends([topic])[topic, 0]
        finally:
            topics.close()
        if found != 1:
            raise StreamError(f"Topic {topic} has {found} partitions, so no single order; name one with one partition.")
        self._writer = Writer(kafka.client(_writing(timeout), {"error_cb": log_client_error}), logger=LOGGER)
        self._reader = Reader(kafka.client({}, {**_READING, "error_cb": log_client_error}), logger=LOGGER)
        self._reader.assign([TopicPartition(topic, 0, low)])  # "the beginning" would be looked up for half a second

    def append(self, key: bytes, value: bytes | None) -> None:
        """Write a record and read on until it is among `records`, after all that were written before it.

        Raises:
            StreamError: it is not known whether the record is in the log; `records` will tell.
        """
        with self._lock:
            self._read_to(self._write(key, value) + 1)

    def records(self) -> Sequence[Record]:
        """All records acknowledged to any writer before this call, in log order, as far as compaction kept them."""
        with self._lock:
            try:
                found = self._reader.get_watermark_offsets(TopicPartition(self._topic, 0), timeout=self._timeout)
            except KafkaException as failure:
                raise said(failure.args[0], f"Asking for the end of {self._topic}", self._topic) from failure
            self._read_to(found[1] if found is not None else 0)
            return tuple(self._records)

    def close(self) -> None:
        """Let go of the connections."""
        with self._lock:
            self._reader.close()
            self._writer.flush(1.0)

    def _write(self, key: bytes, value: bytes | None) -> int:
        """The acknowledged offset of the record."""
        reports: list[tuple[KafkaError | None, int]] = []

        def report(error: KafkaError | None, message: Message) -> None:
            offset = message.offset()
            reports.append((error, -1 if offset is None else offset))

        self._writer.produce(self._topic, key=key, value=value, partition=0, on_delivery=report)
        self._writer.flush()  # ends within delivery.timeout.ms
        error, offset = reports[0]
        if error is not None:
            raise said(error, f"Writing to {self._topic}", self._topic)
        return offset

    def _read_to(self, end: int) -> None:
        until = time.monotonic() + self._timeout
        while self._next < end:
            if time.monotonic() > until:
                raise KafkaUnavailable(f"{self._topic} could not be read up to {end} within {self._timeout:g} s.")
            for message in self._reader.consume(1_000, 0.005):
                self._take(message)

    def _take(self, message: Message) -> None:
        error, offset = message.error(), message.offset()
        if error is None and offset is not None:
            self._records.append((message.key() or b"", message.value()))
            self._next = offset + 1
        elif error is not None and error.code() == KafkaError._PARTITION_EOF:
            self._next = max(self._next, offset or 0)  # compaction may have removed the last offsets
        elif error is not None and not passes_by_itself(error):
            raise said(error, f"Reading {self._topic}", self._topic)


def _writing(timeout: float) -> dict[str, object]:
    return {"acks": "all", "enable.idempotence": True, "linger.ms": 0, "delivery.timeout.ms": round(timeout * 1000)}


_READING = {
    "group.id": "millrace-record-log",  # required by the client; no group is joined
    "enable.auto.commit": False,
    "enable.partition.eof": True,
    "auto.offset.reset": "earliest",
    "fetch.wait.max.ms": 10,
}
