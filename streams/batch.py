"""A micro-batch: decoded events of one partition, in order, and the stretch of the log they came from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from confluent_kafka import Message
from numpy.typing import NDArray

from streams.sources import Sources


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """The good events of the log range [first, next) of one partition.

    Offsets of the range without a row are events that could not be decoded, or that the log no longer has. So a unit
    that has folded a batch stands at `next`, whatever the number of rows.

    Attributes:
        topic, partition: where the events are.
        first, next: the covered offsets, `next` excluded.
        frame: one row per event, in log order; the columns of the event type.
        offsets: int64, ascending, one per row of `frame`.
        sources: of events that learners have emitted, what they were emitted for; None = they were not looked for.
        messages: what the rows were decoded from; empty where nobody has asked for them.
    """

    topic: str
    partition: int
    first: int
    next: int
    frame: pl.DataFrame
    offsets: NDArray[np.int64]
    sources: Sources | None = None
    messages: Sequence[Message] = ()

    def __post_init__(self) -> None:
        if len(self.offsets) != self.frame.height:
            raise ValueError(f"A batch has one offset per row; here {len(self.offsets)} for {self.frame.height} rows.")
        if len(self.offsets) and not self.first <= self.offsets[0] <= self.offsets[-1] < self.next:
            raise ValueError(
                f"Offsets {self.offsets[0]} to {self.offsets[-1]} are outside their batch [{self.first}, {self.next})."
            )

    @classmethod
    def of(cls, frame: pl.DataFrame, topic: str = "notebook", partition: int = 0, first: int = 0) -> Batch:
        """A batch from a frame at hand, as if its rows stood at the offsets from `first` on."""
        offsets = np.arange(first, first + frame.height, dtype=np.int64)
        return cls(topic, partition, first, first + frame.height, frame, offsets)

    @property
    def rows(self) -> int:
        """Number of events."""
        return self.frame.height

    def with_offsets(self, name: str = "offset") -> pl.DataFrame:
        """The frame with one column more, the offset of each event: what `emit` takes an emitted row's event from."""
        return self.frame.with_columns(pl.Series(name, self.offsets))

    def only(self, kept: Sequence[bool] | NDArray[np.bool_]) -> Batch:
        """The same stretch of the log with those rows alone for which `kept` says so."""
        mask = np.array(kept, dtype=bool)
        frame, offsets = self.frame.filter(pl.Series(mask)), self.offsets[mask]
        sources = None if self.sources is None else self.sources.at(mask)
        messages = [self.messages[row] for row in np.flatnonzero(mask).tolist()] if self.messages else ()
        return replace(self, frame=frame, offsets=offsets, sources=sources, messages=messages)

    def since(self, position: int) -> Batch:
        """The part at or after `position`: itself if all of it is, an empty batch at `next` if nothing is."""
        if position <= self.first:
            return self
        first = min(position, self.next)
        row = int(np.searchsorted(self.offsets, first))
        return self._cut(first, self.next, row, self.rows)

    def until(self, position: int) -> Batch:
        """The part before `position`: itself if all of it is, an empty batch at `first` if nothing is."""
        if position >= self.next:
            return self
        end = max(position, self.first)
        row = int(np.searchsorted(self.offsets, end))
        return self._cut(self.first, end, 0, row)

    def split(self, rows: int) -> Iterator[Batch]:
        """Pieces of at most `rows` events, cut right after an event, whose ranges tile [first, next) in order.

        A range without events is one empty piece, so that folding all pieces always ends at `next`.
        """
        if rows < 1:
            raise ValueError(f"A piece holds at least one event, not {rows}.")
        first = self.first
        for start in range(0, self.rows, rows):
            stop = start + rows
            following = int(self.offsets[stop - 1]) + 1 if stop < self.rows else self.next
            yield self._cut(first, following, start, stop)
            first = following
        if not self.rows and self.first < self.next:
            yield self

    def _cut(self, first: int, following: int, start: int, stop: int) -> Batch:
        """The rows from `start` to `stop`, as the good events of the range [first, following)."""
        sources = None if self.sources is None else self.sources.at(slice(start, stop))
        frame, offsets, messages = self.frame[start:stop], self.offsets[start:stop], self.messages[start:stop]
        return Batch(self.topic, self.partition, first, following, frame, offsets, sources, messages)
