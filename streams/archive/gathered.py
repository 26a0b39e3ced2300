"""Rows of one topic that are read and not archived yet. No I/O."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from streams.archive.table import Moves


@dataclass(frozen=True, eq=False)
class Commit:
    """What is archived together.

    Attributes:
        rows: of all partitions; those of one are in the order of its log.
        moves: positions before and after them.
        size: about so many bytes of rows.
    """

    rows: pl.DataFrame
    moves: Moves
    size: int


class Gathered:
    """Keeps rows in the order they come, and from where to where they move each partition.

    Attributes:
        size: about so many bytes of rows.
        since: when the oldest of them came, by any clock; None while there is nothing.
    """

    def __init__(self) -> None:
        self.size = 0
        self.since: float | None = None
        self._pieces: list[tuple[int, pl.DataFrame]] = []
        self._moves: dict[int, tuple[int | None, int]] = {}

    def add(self, partition: int, before: int | None, after: int, rows: pl.DataFrame, now: float) -> None:
        """Rows that stand in the log from `before` (None: its beginning) up to `after`, which is excluded."""
        first, last = self._moves.get(partition, (before, before))
        if last != before:
            raise ValueError(f"Partition {partition} is gathered up to {last}; rows from {before} on do not follow.")
        self._moves[partition] = (first, after)
        if rows.height:
            self._pieces.append((partition, rows))
            self.size += int(rows.estimated_size())
        if self.since is None:
            self.since = now

    def drop(self, partition: int) -> None:
        """Forget a partition: somebody else archives it."""
        self._pieces = [(mine, rows) for mine, rows in self._pieces if mine != partition]
        self._moves.pop(partition, None)
        self.size = sum(int(rows.estimated_size()) for _, rows in self._pieces)
        if not self._moves:
            self.since = None

    def take(self, schema: pl.Schema) -> Commit:
        """All of it, which is then gathered no more.

        Args:
            schema: of rows, for where there are none.
        """
        pieces = [rows for _, rows in self._pieces]
        rows = pl.concat(pieces, rechunk=False) if pieces else pl.DataFrame(schema=schema)
        commit = Commit(rows, self._moves, self.size)
        self._pieces, self._moves, self.size, self.since = [], {}, 0, None
        return commit
