"""Whether one more request is taken: of what cannot be answered in time some is refused at once, so that the rest is.

While the event loop has work without a break, requests wait for each other, in two places. Those that were taken share
the time: by Little's law (Little 1961, L = λW) each then takes as long as their number divided by the answers per
second, so only so many are in flight that this stays below half of the deadline. Those that the loop has received and
not begun wait for its turn to get to them: one that comes late in a long turn has waited that long already. A refusal
costs a fraction of an answer. A store that is slow keeps no loop busy: then nothing is refused, however many wait.
No I/O.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

SHARE = 0.5
"""Part of the deadline that an answer may take while the service is at its limit."""
LATE = 1 / 3
"""Part of the deadline that a request may have waited for its turn while the service is at its limit."""
LEAST = 8
"""So many requests of a type are always taken: of fewer nothing can be told."""
STANDING = 2
"""Ticks without a break after which the service is at its limit; less is a burst, which passes."""
KEPT = 0.95
"""Part of what was counted that a tick leaves: a rate is that of about twenty ticks in which something was asked."""
FADING = 0.98
"""Part of the highest rate that a tick leaves. It is the service's capacity; what is refused must not lower it."""


class Traffic:
    """The requests of one endpoint type.

    Attributes:
        in_flight: taken, and not finished.
        finished: so far, whatever became of them.
        allowed: so many may be in flight.
        patience: so many seconds may a request have waited for its turn.
    """

    __slots__ = ("_capacity", "_done", "_seconds", "_seen", "allowed", "finished", "in_flight", "patience")

    def __init__(self) -> None:
        self.in_flight = self.finished = self._seen = 0
        self.allowed = self.patience = math.inf
        self._done = self._seconds = self._capacity = 0.0

    def tick(self, seconds: float, deadline: float, limited: bool) -> None:
        """So long has passed; `limited` says that the service is at its limit."""
        finished, self._seen = self.finished - self._seen, self.finished
        if finished or self.in_flight:
            self._done = self._done * KEPT + finished
            self._seconds = self._seconds * KEPT + seconds
            self._capacity = max(self._capacity * FADING, self._done / self._seconds)
        self.allowed = max(LEAST, SHARE * deadline * self._capacity) if limited else math.inf
        self.patience = LATE * deadline if limited else math.inf


class Admission:
    """The traffic of all types by title; for one thread, that of the event loop."""

    def __init__(self) -> None:
        self.traffic: dict[str, Traffic] = {}
        self._busy = 0
        self._begun, self._turn = 0, 0.0

    def of(self, title: str) -> Traffic:
        """The traffic of a type; it outlives its reload."""
        found = self.traffic.get(title)
        if found is None:
            found = self.traffic[title] = Traffic()
        return found

    def waited(self, now: float, later: Callable[[Callable[[], None]], object]) -> float:
        """Seconds that a request which begins now has waited at least, since its turn of the loop began others; 0 for
        the first few of a turn.

        Args:
            later: calls a function in the loop's next turn (`call_soon`).
        """
        if not self._begun:
            self._turn = now
            later(self._turned)
        self._begun += 1
        return now - self._turn if self._begun > LEAST else 0.0

    def _turned(self) -> None:
        self._begun = 0

    def tick(self, seconds: float, busy: bool, deadlines: Mapping[str, float]) -> None:
        """So long has passed, all of it with work or not; deadlines are those of the types that are served."""
        self._busy = self._busy + 1 if busy else 0
        for title, traffic in self.traffic.items():
            traffic.tick(seconds, deadlines.get(title, math.inf), self._busy >= STANDING)
