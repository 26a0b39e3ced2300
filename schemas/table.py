"""A small table that processes share: the newest row of each key, the same for all, changed by one at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Protocol

Rows = Mapping[str, bytes]
Decide = Callable[[Rows], tuple[str, bytes | None] | None]
"""Given the newest rows, what is to be written, as key and value; no value = the row is to go. None = nothing is. What
it raises ends the change."""


class Table(Protocol):
    """Rows by key, as a compacted Kafka topic with one partition keeps them. Calls block, and raise MillraceError when
    the server is away."""

    def rows(self) -> Rows:
        """The newest rows."""

    def change(self, decide: Decide) -> Rows:
        """Write a row that is decided on the newest rows, while nobody else writes; returns the rows after that."""


class MemoryTable:
    """A table in memory: shared within one process, gone when it ends."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rows: dict[str, bytes] = {}

    def rows(self) -> Rows:
        """The newest rows."""
        with self._lock:
            return dict(self._rows)

    def change(self, decide: Decide) -> Rows:
        """Write a row."""
        with self._lock:
            wanted = decide(dict(self._rows))
            if wanted is not None:
                key, value = wanted
                if value is None:
                    self._rows.pop(key, None)
                else:
                    self._rows[key] = value
            return dict(self._rows)
