"""A small table that all processes share: the newest value of each key of a compacted topic, one writer at a time."""

from __future__ import annotations

import random
import threading
import time

from confluent_kafka import KafkaError, KafkaException, Message
from confluent_kafka import Producer as Writer

from schemas.table import Decide, Rows
from streams.errors import KafkaUnavailable, StreamError
from streams.kafka import LOGGER, Kafka, log_client_error, said
from streams.log_reader import LogReader

_TRIES = 5
_FENCED = {KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH}


class KafkaTable:
    """`schemas.table.Table` over Kafka: the rows of a topic with one partition, which is created, compacted, when it is
    missing. Opens nothing before it is first asked.

    Writers exclude each other by Kafka's transactions: all have the same transactional id, so that whoever begins a
    change fences everybody who has begun one before, reads the log to its end, and writes only if nobody has fenced it
    meanwhile. So what is written was decided on what stands directly before it, in any number of processes. Where a
    broker does not tell whether a commit was made, the next try does: to begin settles it, and then the log is read.

    Any thread may use it; its calls block, one at a time, for up to `timeout` seconds, and raise `KafkaUnavailable`
    when that was not enough.
    """

    def __init__(self, kafka: Kafka, topic: str, timeout: float = 10.0) -> None:
        self._kafka, self._topic, self._timeout = kafka, topic, timeout
        self._lock = threading.Lock()
        self._rows: dict[str, bytes] = {}
        self._opened: LogReader | None = None
        self._unsettled: int | None = None  # where a row is whose commit has failed in a way that tells nothing
        self._settled = False

    def rows(self) -> Rows:
        """The newest value of each key, of everything that was acknowledged to any writer before this call."""
        with self._lock:
            self._reader().read()
            return dict(self._rows)

    def change(self, decide: Decide) -> Rows:
        """Write one row that is decided on the newest rows; returns the rows after that.

        Raises:
            KafkaUnavailable: others wrote at every try, or no broker answered.
            StreamError: it is not known whether the row was written; `rows` will tell.
        """
        with self._lock:
            self._unsettled = None
            for number in range(_TRIES):
                if number:
                    time.sleep(random.uniform(0, 0.1 * number))
                try:
                    return self._changed(decide)
                except KafkaException as failure:
                    error = failure.args[0]
                    if error.code() not in _FENCED and self._unsettled is None:
                        raise said(error, f"Writing to {self._topic}", self._topic) from failure
                    last = failure
            if self._unsettled is not None:
                raise StreamError(f"Whether {self._topic} was changed is not known ({last.args[0].str()}); look at it.")
            raise KafkaUnavailable(
                f"{self._topic} could not be changed in {_TRIES} tries ({last.args[0].str()}); try again."
            ) from last

    def close(self) -> None:
        """Let go of the connection; at once, though a call may be waiting for a broker that is away."""
        if not self._lock.acquire(timeout=0.5):
            return
        try:
            if self._opened is not None:
                self._opened.close()
                self._opened = None
        finally:
            self._lock.release()

    def _changed(self, decide: Decide) -> Rows:
        writer = Writer(self._kafka.client(self._writing(), self._promises()), logger=LOGGER)
        writer.init_transactions(self._timeout)
        reader = self._reader()
        self._settled = False
        reader.read()
        if self._settled:  # the try before was written after all
            return dict(self._rows)
        self._unsettled = None
        wanted = decide(dict(self._rows))
        if wanted is not None:
            reader.read_to(self._write(writer, *wanted) + 1)  # Kafka shows it a moment after it is committed
        return dict(self._rows)

    def _write(self, writer: Writer, key: str, value: bytes | None) -> int:
        """The offset of what is written. Raises KafkaException: it is not, as somebody else was quicker, or Kafka is
        away."""
        offsets: list[int | None] = []

        def delivered(error: KafkaError | None, message: Message) -> None:
            if error is None:
                offsets.append(message.offset())

        writer.begin_transaction()
        writer.produce(self._topic, key=key.encode(), value=value, partition=0, on_delivery=delivered)
        writer.flush()  # ends within delivery.timeout.ms
        try:
            writer.commit_transaction(self._timeout)
        except KafkaException as failure:
            if failure.args[0].code() == KafkaError.UNKNOWN and offsets:  # Kafka 4.1, while somebody else is fencing
                self._unsettled = offsets[0]
            raise
        [offset] = offsets
        assert offset is not None
        return offset

    def _reader(self) -> LogReader:
        if self._opened is None:
            self._rows = {}
            self._opened = LogReader(self._kafka, self._topic, self._take, self._timeout)
        return self._opened

    def _take(self, key: bytes, value: bytes | None) -> None:
        if self._opened is not None and self._opened.at == self._unsettled:
            self._settled = True
        name = key.decode("utf-8", "replace")
        if value is None:
            self._rows.pop(name, None)
        else:
            self._rows[name] = value

    def _writing(self) -> dict[str, object]:
        milliseconds = max(1_000, round(self._timeout * 1000))
        return {"linger.ms": 0, "transaction.timeout.ms": milliseconds, "delivery.timeout.ms": milliseconds}

    def _promises(self) -> dict[str, object]:
        return {
            "transactional.id": f"millrace-{self._topic}",
            "enable.idempotence": True,
            "acks": "all",
            "error_cb": log_client_error,
        }
