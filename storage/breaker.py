"""A circuit breaker (Nygard, Release It!, 2007): whether a store is asked, or counts as away. No I/O, no own clock."""

from __future__ import annotations

FAILURES = 5
"""Reads in a row without an answer, at least."""
PATIENCE = 1.0
"""Seconds without any answer, at least."""


class Breaker:
    """The state of one store as those who read it see it. Closed, every read is tried. Where several in a row got no
    answer, and for a while no other did either, it opens: reads fail at once. One sign of life closes it again.

    Attributes:
        open: whether the store counts as away.
    """

    def __init__(self) -> None:
        self.open = False
        self._failures = 0
        self._since = 0.0

    def failed(self, now: float) -> bool:
        """A read got no answer, or was given up; whether this has opened it.

        Args:
            now: by any clock that only rises, in seconds.
        """
        if not self._failures:
            self._since = now
        self._failures += 1
        opens = not self.open and self._failures >= FAILURES and now - self._since >= PATIENCE
        self.open |= opens
        return opens

    def answered(self) -> bool:
        """The store has answered, whatever it said; whether this has closed it."""
        closes, self.open, self._failures = self.open, False, 0
        return closes
