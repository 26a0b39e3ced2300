"""A learner at work: one instance, bound to the rows of one unit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from learners.declaration import Declaration
from learners.errors import FoldFailed
from learners.late import LateEvent
from learners.outbox import Outbox
from schemas import Record
from storage import Address, Session
from streams import Batch

_EPOCH, _MILLISECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(milliseconds=1)


class Fold:
    """One learner instance on one unit; collects writes in its session and never touches the log or the position.

    Args:
        read: reads committed rows of this unit back; whatever it raises goes through `fold` unchanged.

    Attributes:
        refused: late events that belong in the dead letters before the position passes them.
    """

    def __init__(
        self, declaration: Declaration, read: Callable[[Sequence[Address]], list[bytes | None]], partition: int = 0
    ) -> None:
        self.declaration = declaration
        self.partition = partition
        self.refused: list[LateEvent] = []
        self._newest_ms: int | None = None
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
        self._watermark = declaration.watermark.bind(self.session) if declaration.watermark is not None else None

    @property
    def watermark_ms(self) -> int | None:
        """The newest event time folded so far, less what may come out of order, in ms since 1970; None before the first
        or without times."""
        return self._newest_ms if self._watermark is None else self._watermark.ms

    def fold(self, batch: Batch) -> None:
        """Let the learner learn one batch.

        Raises:
            FoldFailed: the learner raised; the writes collected so far are half done and must be dropped.
        """
        batch = self._on_time(self._without_repeats(batch))
        self.outbox.begin(batch.offsets)
        self.session.begin(lambda: self._keys(batch.frame), 1 if self.declaration.events else batch.rows)
        session, outbox, learn = self.session, self.outbox, self.learner.learn
        begun = session.step
        try:
            if self.declaration.events is None:
                learn(batch)
            else:
                events = self.declaration.events(batch.frame)
                for outbox.at, event in zip(batch.offsets.tolist(), events, strict=True):
                    learn(event)
                    session.step += 1
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # polars' panics are no `Exception`
            raise self._failure(batch, session.step - begun, error) from error
        self._see(batch.frame)

    def fold_event(self, event: Record, offset: int) -> None:
        """Let an event learner learn one event, without a frame around it."""
        if self._seen is not None and self._seen.first([getattr(event, self._id)]) == [False]:
            return
        if self._watermark is not None and self._is_late(getattr(event, self._time)):
            return
        key = self.session.key_field
        if self.declaration.emits:
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

    @property
    def _time(self) -> str:
        return self.declaration.time_field or ""

    def _on_time(self, batch: Batch) -> Batch:
        """The batch without those events that are late, where its learner leaves them out. Each is judged by what came
        before it in the log, so it makes no difference where the batch begins."""
        if self._watermark is None or not batch.rows:
            return batch
        column = batch.frame[self._time].dt.timestamp("ms")
        times = column.fill_null(0).to_numpy()
        late, marks = self._watermark.late(times, column.is_not_null().to_numpy())
        if self._keeps_late or not late.any():
            return batch
        if self.declaration.late is not None and self.declaration.late.otherwise == "dead_letter":
            found = zip(batch.offsets[late].tolist(), times[late].tolist(), marks[late].tolist(), strict=True)
            self.refused += map(LateEvent._make, found)
        return batch.only((~late).tolist())

    def _is_late(self, at: datetime | None) -> bool:
        """Whether an event is late, and is left out."""
        assert self._watermark is not None
        time = np.array([0 if at is None else (at - _EPOCH) // _MILLISECOND], np.int64)
        late, _ = self._watermark.late(time, np.array([at is not None]))
        return bool(late[0]) and not self._keeps_late

    @property
    def _keeps_late(self) -> bool:
        return self.declaration.late is not None and self.declaration.late.otherwise == "keep"

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
        column = frame[self.declaration.time_field]
        newest = column.cast(pl.Int64).max()  # an event may have a time for which Python has no date
        if isinstance(newest, int):
            fine = isinstance(column.dtype, pl.Datetime) and column.dtype.time_unit == "us"
            at_ms = newest // 1_000 if fine else newest
            self._newest_ms = at_ms if self._newest_ms is None else max(self._newest_ms, at_ms)
