"""The registry's log of records, on one partition of a compacted topic."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from confluent_kafka import KafkaError, Message
from confluent_kafka import Producer as Writer

from streams.kafka import LOGGER, Kafka, log_client_error, said
from streams.log_reader import LogReader

Record = tuple[bytes, bytes | None]


class KafkaRecordLog:
    """`schemas.RecordLog` over Kafka: all writers' records in the one order that every reader sees.

    Creates its topic when it is missing. Any thread may use it; its calls block, one at a time, for up to `timeout`
    seconds, and raise `KafkaUnavailable` when that was not enough.
    """

    def __init__(self, kafka: Kafka, topic: str = "_schemas", timeout: float = 10.0) -> None:
        self._topic = topic
        self._lock = threading.Lock()
        self._records: list[Record] = []
        self._reader = LogReader(kafka, topic, lambda key, value: self._records.append((key, value)), timeout)
        self._writer = Writer(kafka.client(_writing(timeout), {"error_cb": log_client_error}), logger=LOGGER)

    def append(self, key: bytes, value: bytes | None) -> None:
        """Write a record and read on until it is among `records`, after all that were written before it.

        Raises:
            StreamError: it is not known whether the record is in the log; `records` will tell.
        """
        with self._lock:
            self._reader.read_to(self._write(key, value) + 1)

    def records(self) -> Sequence[Record]:
        """All records acknowledged to any writer before this call, in log order, as far as compaction kept them."""
        with self._lock:
            self._reader.read()
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


def _writing(timeout: float) -> dict[str, object]:
    return {"acks": "all", "enable.idempotence": True, "linger.ms": 0, "delivery.timeout.ms": round(timeout * 1000)}
