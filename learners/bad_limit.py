"""How many bad events a learner takes before it stops, and how they are counted. No I/O, no clock."""

from __future__ import annotations

from dataclasses import dataclass

from learners.errors import LearnerRefused

PARTS = 10
"""A limit's time is looked at in so many parts, so that one burst is no lasting trouble."""
FILLED = 5
"""Of them so many must have had events: a slow worker may miss some."""


@dataclass(frozen=True, slots=True)
class BadLimit:
    """When a unit stops: for `seconds` on end more than `percent` of its events were bad, and `least` of them at least.

    Bad events are kept as dead letters and passed over; where most are bad and go on being so, what is learned from the
    rest may be worse than nothing, and a person should look first. A burst, however large, is only passed over.

    Attributes:
        percent: of a partition's events; 0 = any.
        seconds: for so long, by the clock of whoever reads.
        least: bad events that there must be in that time.
    """

    percent: float = 50.0
    seconds: float = 60.0
    least: int = 100

    def __post_init__(self) -> None:
        if not 0 <= self.percent < 100 or not 0 < self.seconds <= 86_400 or self.least < 1:
            raise LearnerRefused(
                f"BadLimit(percent={self.percent}, seconds={self.seconds}, least={self.least}) is no limit: percent is "
                "from 0 up to 100, seconds above 0 and at most a day, least 1 or more."
            )

    def __str__(self) -> str:
        return f"more than {self.percent:g} % and at least {self.least:,} for {self.seconds:g} s"


@dataclass(slots=True)
class Share:
    """So many events of a while were bad."""

    bad: int = 0
    events: int = 0

    @property
    def percent(self) -> float:
        """Of the events."""
        return 100 * self.bad / self.events if self.events else 0.0


class BadShare:
    """Counts good and bad events of the last while, in parts of a limit's time."""

    def __init__(self, limit: BadLimit) -> None:
        self.limit = limit
        self._parts: dict[int, Share] = {}

    def saw(self, now: float, good: int, bad: int) -> Share | None:
        """Count events that came at `now` (seconds of any steady clock); the share, where that is above the limit.

        It is when the first of the limit's parts had events and at least `FILLED` of them had, and each that had was
        above it.
        """
        part = int(now * PARTS / self.limit.seconds)
        self._parts = {at: share for at, share in self._parts.items() if at > part - PARTS}
        if good or bad:
            share = self._parts.setdefault(part, Share())
            share.bad += bad
            share.events += good + bad
        if not bad or part - PARTS + 1 not in self._parts or len(self._parts) < FILLED:
            return None
        if any(share.percent <= self.limit.percent for share in self._parts.values()):
            return None
        whole = Share(*map(sum, zip(*((share.bad, share.events) for share in self._parts.values()), strict=True)))
        return whole if whole.bad >= self.limit.least else None
