"""How far a unit's event time has come, and how many of its events were late: kept with its rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from schemas import Record
from storage.address import Address
from storage.formats.records import Records
from storage.session import Session

BEGINNING = -(2**62)
"""Before every event, in ms since 1970."""


class EventTime(Record):
    """What a unit has seen of the time.

    Attributes:
        unit: its partition, which is the row's key.
        newest_ms: newest event time, in ms since 1970; None = none yet.
        late: how many events came before the watermark.
    """

    unit: str
    newest_ms: int | None = None
    late: int = 0


class Watermark(Records[EventTime]):
    """Of each unit its watermark: the newest event time less what events may be out of order. No learner sees it.

    It is read once after a claim, and written with each commit that changes it. It follows from the log alone.
    """

    def __init__(self, name: str, allowed_ms: int) -> None:
        super().__init__(name, EventTime)
        self._allowed = allowed_ms
        self._time: EventTime | None = None
        self._written: EventTime | None = None

    @property
    def options(self) -> Mapping[str, Any]:
        """How far out of order events may be, in ms."""
        return {"allowed_ms": self._allowed}

    @property
    def ms(self) -> int | None:
        """The watermark, in ms since 1970; None before the first event, and before `late` is asked after a claim."""
        newest = None if self._time is None else self._time.newest_ms
        return None if newest is None else newest - self._allowed

    def bind(self, session: Session) -> Self:
        """A copy that knows nothing yet, and is written before each commit."""
        bound = super().bind(session)
        bound._time = bound._written = None
        session.before_taking(bound._write)
        return bound

    def late(self, times: NDArray[np.int64], known: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        """Whether each event is late, and the watermark before it; counts them, and moves the watermark on.

        Blocks for a read where it is called first after a claim.

        Args:
            times: of the events, in the order of the log, in ms since 1970.
            known: whether an event has a time; one without is never late.
        """
        if self._time is None:
            self._time = self._written = self._restored()
        late, marks, newest = judged(times, known, self._time.newest_ms, self._allowed)
        self._time = EventTime(self._time.unit, newest, self._time.late + int(late.sum()))
        return late, marks

    def _restored(self) -> EventTime:
        address = self._address()
        [row] = self.session.load([address])
        return EventTime(address.key) if row is None else self._decoded(address.key, row)

    def _write(self) -> None:
        if self._time is not None and self._time != self._written:
            address = self._address()
            self.session.writes.puts[address] = self._encoded(address.key, self._time)
            self._written = self._time

    def _address(self) -> Address:
        return Address(self.storage, str(self.session.partition))


def judged(
    times: NDArray[np.int64], known: NDArray[np.bool_], newest: int | None, allowed: int
) -> tuple[NDArray[np.bool_], NDArray[np.int64], int | None]:
    """Event by event, whatever the batch: whether it is late, and the watermark before it; then the newest time of all.

    Args:
        newest: the newest time before these events.
        allowed: so far out of order they may be, in ms.
    """
    seen = np.where(known, np.maximum(times, BEGINNING), BEGINNING)
    so_far = np.maximum.accumulate(np.concatenate(([BEGINNING if newest is None else newest], seen)))
    marks = so_far[:-1] - allowed
    last = int(so_far[-1])
    return known & (seen < marks), marks, None if last == BEGINNING else last
