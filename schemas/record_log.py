"""Where a registry keeps its records: a log with one order, which every reader sees."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Protocol


class RecordLog(Protocol):
    """A log of keys and values, as a compacted Kafka topic with one partition is. Calls may block."""

    def append(self, key: bytes, value: bytes | None) -> None:
        """Write a record; when this returns it is among `records`, after all that were written before it."""

    def records(self) -> Sequence[tuple[bytes, bytes | None]]:
        """All records written before this call, in the log's order. Grows at its end only."""


class MemoryRecordLog:
    """A log in memory: gone when the process ends."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._records: list[tuple[bytes, bytes | None]] = []

    def append(self, key: bytes, value: bytes | None) -> None:
        """Write a record."""
        with self._lock:
            self._records.append((key, value))

    def records(self) -> Sequence[tuple[bytes, bytes | None]]:
        """All records."""
        with self._lock:
            return tuple(self._records)
