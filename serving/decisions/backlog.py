"""The decisions that were handed out to be sent and are not acknowledged, oldest first. No I/O, no clock of its own."""

from __future__ import annotations

import heapq

import msgspec

from serving.decisions.entry import Entry
from serving.spool.segment import Place

PATIENCE = 2.0
"""Seconds after which a decision that is not acknowledged says that Kafka is away."""
PAUSE = 0.5
"""Seconds before anything is sent again after a failure that passes by itself."""


class Waiting(msgspec.Struct):
    """One of them. `place` is where it is in the spool, None where it is in memory only; `sent` is when it was last
    sent, None while it is to be sent."""

    entry: Entry
    place: Place | None = None
    sent: float | None = None


class Backlog:
    """Numbers them as they come; the lowest number is sent first, also again. Times are of any clock that only rises,
    in seconds. For one thread at a time."""

    def __init__(self) -> None:
        self._waiting: dict[int, Waiting] = {}
        self._ready: list[int] = []
        self._last = 0
        self._failed: float | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, number: int) -> bool:
        return number in self._waiting

    def add(self, entry: Entry, place: Place | None = None) -> None:
        """One more, younger than all others."""
        self._last += 1
        self._waiting[self._last] = Waiting(entry, place)
        heapq.heappush(self._ready, self._last)

    def add_sent(self, entry: Entry, now: float) -> int:
        """One more that is sent at once; its number. Only while nothing else is `ready`."""
        self._last += 1
        self._waiting[self._last] = Waiting(entry, None, now)
        return self._last

    def next(self, now: float) -> tuple[int, Entry] | None:
        """What is to be sent now, after its number; None where nothing is, or a failure was only just now."""
        if not self._ready or (self._failed is not None and now < self._failed + PAUSE):
            return None
        number = heapq.heappop(self._ready)
        found = self._waiting[number]
        found.sent = now
        return number, found.entry

    def done(self, number: int, acknowledged: bool) -> Waiting:
        """It is acknowledged, or will never be: forget it."""
        if acknowledged:
            self._failed = None
        return self._waiting.pop(number)

    def again(self, number: int, now: float) -> None:
        """It could not be sent, for a reason that passes: it has its turn once more, before all younger ones."""
        self._failed = now
        self.back(number)

    def back(self, number: int) -> None:
        """It was not sent after all: it is to be sent as soon as may be, before all younger ones."""
        self._waiting[number].sent = None
        heapq.heappush(self._ready, number)

    def away(self, now: float) -> bool:
        """Whether Kafka seems to be away: something failed since the last acknowledgement, or the oldest waits long."""
        oldest = next(iter(self._waiting.values()), None)
        late = oldest is not None and oldest.sent is not None and now - oldest.sent > PATIENCE
        return late or self._failed is not None

    @property
    def ready(self) -> bool:
        """Whether something is to be sent, now or after the pause."""
        return bool(self._ready)

    @property
    def in_memory_only(self) -> dict[int, Waiting]:
        """Those that are not in the spool by their numbers, oldest first."""
        return {number: one for number, one in self._waiting.items() if one.place is None}

    @property
    def first_spooled(self) -> Waiting | None:
        """The oldest that is in the spool: nothing before it is needed there."""
        return next((one for one in self._waiting.values() if one.place is not None), None)
