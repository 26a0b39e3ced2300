"""A learner at work: one instance, bound to the rows of one unit."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import polars as pl

from learners.declaration import Declaration
from learners.errors import FoldFailed
from learners.outbox import Outbox
from schemas import Record
from storage import Address, Session
from streams import Batch


class Fold:
    """One learner instance on one unit; collects writes in its session and never touches the log or the position.

    Args:
        read: reads committed rows of this unit back; whatever it raises goes through `fold` unchanged.

    Attributes:
        watermark_ms: the newest event time folded so far, in ms since 1970; None before the first or without times.
    """

    def __init__(
        self, declaration: Declaration, read: Callable[[Sequence[Address]], list[bytes | None]], partition: int = 0
    ) -> None:
        self.declaration = declaration
        self.partition = partition
        self.watermark_ms: int | None = None
        self.session = Session(read)
        self.session.key_field = declaration.event_type.key
        self.session.partition = partition
        self.learner = declaration.learner()
        for attribute, storage in declaration.storages.items():
            setattr(self.learner, attribute, storage.bind(self.session))
        self.outbox = Outbox()
        for attribute, emit in declaration.emits.items():
            setattr(self.learner, attribute, emit.bind(self.outbox))
        self._marks = declaration.marks.bind(self.session) if declaration.marks is not None else None
        self._seen = declaration.seen.bind(self.session) if declaration.seen is not None else None

    @property
    def rows(self) -> int:
        """How much waits for the next commit, as rows to write and events to emit."""
        return self.session.writes.rows + len(self.outbox)

    def fold(self, batch: Batch) -> None:
        """Let the learner learn one batch.

        Raises:
            FoldFailed: the learner raised; the writes collected so far are half done and must be dropped.
        """
        done = 0
        batch = self._without_repeats(batch)
        self.outbox.begin(batch.offsets)
        self.session.begin(lambda: self._keys(batch.frame), 1 if self.declaration.events else batch.rows)
        try:
            if self.declaration.events is None:
                self.learner.learn(batch)
            else:
                learn = self.learner.learn
                for event in self.declaration.events(batch.frame):
                    self.outbox.at = int(batch.offsets[done])
                    learn(event)
                    done += 1
                    self.session.step += 1
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # polars' panics are no `Exception`
            raise self._failure(batch, done, error) from error
        self._see(batch.frame)

    def fold_event(self, event: Record, offset: int) -> None:
        """Let an event learner learn one event, without a frame around it."""
        if self._seen is not None and self._seen.first([getattr(event, self._id)]) == [False]:
            return
        key = self.session.key_field
        self.outbox.begin(np.array([offset], np.int64))
        self.outbox.at = offset
        self.session.begin(lambda: () if key is None else (str(getattr(event, key)),))
        self.learner.learn(event)

    @property
    def _id(self) -> str:
        return self.declaration.event_type.id or ""

    def _without_repeats(self, batch: Batch) -> Batch:
        """The batch without those events that this unit has seen before: emitted again, or sent twice where its learner
        drops them."""
        if self._marks is not None and batch.sources is not None and batch.rows:
            sources = batch.sources
            new = self._marks.first(sources.names, sources.which, sources.positions)
            batch = batch if new.all() else batch.only(new)
        if self._seen is None or not batch.rows:
            return batch
        first = self._seen.first(batch.frame[self._id])
        return batch if all(first) else batch.only(first)

    def _keys(self, frame: pl.DataFrame) -> set[str]:
        """The keys of a batch's events: whose rows this unit may put."""
        key = self.session.key_field
        return set() if key is None else set(frame[key].cast(pl.String))

    def _failure(self, batch: Batch, done: int, error: BaseException) -> FoldFailed:
        first, end = batch.first, batch.next
        if self.declaration.events is not None and done < batch.rows:
            first = int(batch.offsets[done])
            end = first + 1
        return FoldFailed(self.declaration.name, batch.topic, batch.partition, first, end, error)

    def _see(self, frame: pl.DataFrame) -> None:
        if self.declaration.time_field is None or not frame.height:
            return
        newest = frame[self.declaration.time_field].dt.timestamp("ms").max()
        if isinstance(newest, int) and (self.watermark_ms is None or newest > self.watermark_ms):
            self.watermark_ms = newest
