"""Session windows: per key the stretches of event time in which its events follow each other closely.

An event begins a session of its own, and sessions that lie no more than the gap apart are one: in whatever order events
come, the sessions are the same. Merging needs the row, so it is an owned one: one record for each key.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import repeat
from operator import attrgetter
from typing import Any

import polars as pl

from schemas import Record
from storage.errors import FormatRefused, WriteRefused
from storage.formats.columns import integer_column, text_column, time_column
from storage.formats.records import Records
from storage.formats.window import since_1970
from storage.writes import COUNT

MOST = 1_000
"""So many gaps a key's sessions may be kept for, so that its row stays small."""
_EPOCH, _MILLISECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(milliseconds=1)


class SessionWindow(Record):
    """One session.

    Attributes:
        start, end: when its first and its last event happened.
        fields: what was added, by name; `count` where no name was given.
    """

    start: datetime
    end: datetime
    fields: dict[str, int]


class SessionWindows(Record):
    """The sessions of a key, in the order of time.

    Attributes:
        newest: its newest event time.
    """

    key: str
    newest: datetime
    windows: list[SessionWindow]


class Sessions(Records[SessionWindows]):
    """Sessions of each key of the topic; read as `RecordsReader[SessionWindows]`, and by the learner with `get`.

    Args:
        gap: events of a key that are no further apart are of one session.
        retention: a session is kept until so long after its last event, by the newest event time of its key. It is at
            least the gap and what events may be out of order, so that no event comes after the session that it is of.

    Raises:
        FormatRefused: an option makes no sense.
    """

    def __init__(self, name: str, gap: timedelta, retention: timedelta, technology: str | None = None) -> None:
        super().__init__(name, SessionWindows, technology)
        if gap < _MILLISECOND or gap % _MILLISECOND or retention % _MILLISECOND:
            raise FormatRefused(f"{self.storage}: gap and retention are whole milliseconds, the gap one at least.")
        if not gap <= retention <= MOST * gap:
            raise FormatRefused(
                f"{self.storage} keeps sessions for {retention} whose events are up to {gap} apart; it must be from "
                f"once to {MOST:,} times as long."
            )
        self.gap, self.retention = gap, retention
        self._gap, self._retention = gap // _MILLISECOND, retention // _MILLISECOND

    @property
    def options(self) -> Mapping[str, Any]:
        """Gap, and how long sessions are kept, in ms."""
        return {"gap_ms": self._gap, "retention_ms": self._retention}

    def must_outlast(self, allowed: timedelta) -> None:
        """Raise FormatRefused where a session may be gone before an event of it that is not late has come."""
        if self.retention < self.gap + allowed:
            raise FormatRefused(
                f"{self.storage} keeps sessions for {self.retention}, which is less than its gap of {self.gap} and the "
                f"{allowed} by which events may be out of order; keep them for {self.gap + allowed} at least."
            )

    def add(self, frame: pl.DataFrame, key: str, at: str, field: str | None = None, amount: str | None = None) -> None:
        """Add one for each row of a frame, or the integers in a column, to the session of its time.

        Args:
            key, at, field, amount: names of columns; the key is the topic's, and without `field` all is added to the
                field "count".

        Raises:
            PutRefused: it is another key.
            WriteRefused: a key, a time or a field is null, or an amount is no integer.
        """
        self.session.must_own(self.storage, key)
        if not frame.height:
            return
        keys = text_column(frame, key, self.storage).to_list()
        times = (time_column(frame, at, self.storage) // 1000).to_list()
        fields = repeat(COUNT) if field is None else text_column(frame, field, self.storage).to_list()
        amounts = repeat(1) if amount is None else integer_column(frame, amount, self.storage).to_list()
        found = {name: Timeline.of(row) for name, row in self._rows(keys)}
        for name, moment, item, number in zip(keys, times, fields, amounts, strict=False):
            self._add(found.setdefault(name, Timeline()), moment, item, number)
        for name, timeline in found.items():
            self._put(name, timeline.record(name))

    def add_one(self, key: str, at: datetime, field: str = COUNT, amount: int = 1) -> None:
        """Add an integer to the session of a moment. Raises as `add` does."""
        if type(amount) is not int:
            raise WriteRefused(f"{self.storage} adds up integers, not {amount!r}.")
        timeline = Timeline.of(self.get(key))
        self._add(timeline, since_1970(at), field, amount)
        self._put(key, timeline.record(key))

    def _add(self, timeline: Timeline, at: int, item: str, amount: int) -> None:
        timeline.add(at, item, amount, self._gap)
        timeline.keep(self._retention)


@dataclass(slots=True)
class Stretch:
    """A session at work; times in ms since 1970."""

    start: int
    end: int
    fields: dict[str, int]


@dataclass(slots=True)
class Timeline:
    """The sessions of one key at work, in the order of time, and its newest event time. No I/O."""

    stretches: list[Stretch] = field(default_factory=list)
    newest: int | None = None

    @classmethod
    def of(cls, row: SessionWindows | None) -> Timeline:
        """Of a row, which stays as it is."""
        if row is None:
            return cls()
        stretches = [Stretch(since_1970(each.start), since_1970(each.end), dict(each.fields)) for each in row.windows]
        return cls(stretches, since_1970(row.newest))

    def add(self, at: int, item: str, amount: int, gap: int) -> None:
        """Add to the session of a moment: a new one, or all those that it makes one."""
        new = Stretch(at, at, {item: amount})
        apart = []
        for stretch in self.stretches:
            if stretch.end + gap < at or at < stretch.start - gap:
                apart.append(stretch)
                continue
            new.start, new.end = min(new.start, stretch.start), max(new.end, stretch.end)
            for name, number in stretch.fields.items():
                new.fields[name] = new.fields.get(name, 0) + number
        insort(apart, new, key=attrgetter("start"))
        self.stretches = apart
        self.newest = at if self.newest is None else max(at, self.newest)

    def keep(self, retention: int) -> None:
        """Forget the sessions that ended so long before the newest event."""
        if self.newest is not None and self.stretches[0].end < self.newest - retention:
            self.stretches = [each for each in self.stretches if each.end >= self.newest - retention]

    def record(self, key: str) -> SessionWindows:
        """As its row."""
        assert self.newest is not None
        windows = [
            SessionWindow(_moment(each.start), _moment(each.end), dict(sorted(each.fields.items())))
            for each in self.stretches
        ]
        return SessionWindows(key, _moment(self.newest), windows)


def _moment(at: int) -> datetime:
    return _EPOCH + at * _MILLISECOND
