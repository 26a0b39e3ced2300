"""Events of one topic that are read and not archived yet. No I/O.

Whoever reads only gathers: rows of an archive are made of the events where these are written, on another thread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from streams.archive.columns import rows
from streams.archive.table import Moves

AROUND = 32
"""Bytes of a row's place, time and day."""

Hide = Callable[[pl.DataFrame], pl.DataFrame]
"""Makes of events those that an archive may have."""


class Piece(NamedTuple):
    """Events of one partition, one after the other, with their offsets, and the log's times in milliseconds."""

    partition: int
    events: pl.DataFrame
    offsets: NDArray[np.int64]
    timestamps: NDArray[np.int64]

    @property
    def size(self) -> int:
        """About how many bytes its rows are."""
        return int(self.events.estimated_size()) + AROUND * self.events.height


@dataclass(frozen=True, eq=False)
class Commit:
    """What is archived together.

    Attributes:
        pieces: of all partitions; those of one are in the order of its log.
        moves: positions before and after them.
        size: about so many bytes of rows.
        schema: of rows.
        begins: where the logs of partitions begin that have no position before.
    """

    pieces: list[Piece]
    moves: Moves
    size: int
    schema: pl.Schema
    hide: Hide
    begins: Mapping[int, int]

    @cached_property
    def rows(self) -> pl.DataFrame:
        """The rows. Takes time when it is asked for first."""
        names = self.schema.names()
        made = [
            rows(self.hide(piece.events), piece.partition, piece.offsets, piece.timestamps).select(names)
            for piece in self.pieces
        ]
        return pl.concat(made, rechunk=False) if made else pl.DataFrame(schema=self.schema)


class Gathered:
    """Keeps events in the order they come, and from where to where they move each partition.

    Attributes:
        size: about so many bytes of rows.
        since: when the oldest of them came, by any clock; None while there is nothing.
    """

    def __init__(self) -> None:
        self.size = 0
        self.since: float | None = None
        self._pieces: list[Piece] = []
        self._moves: dict[int, tuple[int | None, int]] = {}
        self._begins: dict[int, int] = {}

    def add(self, before: int | None, first: int, after: int, piece: Piece, now: float) -> None:
        """Events that stand in the log from `before` up to `after`, which is excluded; where `before` is None, from the
        beginning of the log, which is `first`."""
        start, last = self._moves.get(piece.partition, (before, before))
        if last != before:
            raise ValueError(
                f"Partition {piece.partition} is gathered up to {last}; events from {before} on do not follow."
            )
        self._moves[piece.partition] = (start, after)
        if before is None:
            self._begins[piece.partition] = first
        if piece.events.height:
            self._pieces.append(piece)
            self.size += piece.size
        if self.since is None:
            self.since = now

    def drop(self, partition: int) -> None:
        """Forget a partition: somebody else archives it."""
        self._pieces = [piece for piece in self._pieces if piece.partition != partition]
        self._moves.pop(partition, None)
        self._begins.pop(partition, None)
        self.size = sum(piece.size for piece in self._pieces)
        if not self._moves:
            self.since = None

    def take(self, schema: pl.Schema, hide: Hide) -> Commit:
        """All of it, which is then gathered no more.

        Args:
            schema: of rows.
        """
        commit = Commit(self._pieces, self._moves, self.size, schema, hide, self._begins)
        self._pieces, self._moves, self._begins, self.size, self.since = [], {}, {}, 0, None
        return commit
