"""When an event arrived, from nothing but the ends of its log at known times. No I/O.

The age of the oldest event that a unit has not folded is how many seconds the unit is behind. Reading that event to
see its time would cost a fetch per unit and second; the ends that are sampled anyway tell it to within one interval.
"""

from __future__ import annotations

from bisect import bisect_right

KEPT = 600


class Arrivals:
    """The high end of one partition over time, thinned as it ages: the last minutes by the second, older coarser."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._times: list[float] = []
        self._highs: list[int] = []

    def note(self, at: float, high: int) -> None:
        """The log ended at offset `high` at time `at` (seconds). A log that shrank was created anew: forget it."""
        if self._highs and high < self._highs[-1]:
            self._times, self._highs = [], []
        if len(self._highs) >= 2 and high == self._highs[-1] == self._highs[-2]:
            self._times[-1] = at  # a quiet log needs only the two ends of its silence
            return
        self._times.append(at)
        self._highs.append(high)
        if len(self._highs) > self._kept:
            half = len(self._highs) // 2
            self._times[:half] = self._times[:half:2]
            self._highs[:half] = self._highs[:half:2]

    def when(self, offset: int) -> tuple[float, bool] | None:
        """When the event at `offset` arrived, in seconds, and whether that is known (False: it is older than this).

        Within the interval in which the log grew past the offset, arrivals are taken as evenly spread; so the error is
        less than that interval. None if the log had not grown past `offset` yet, or nothing was noted.
        """
        after = bisect_right(self._highs, offset)
        if after == len(self._highs):
            return None
        if after == 0:
            return self._times[0], False
        low, high = self._highs[after - 1], self._highs[after]
        start, end = self._times[after - 1], self._times[after]
        return start + (offset - low + 0.5) / (high - low) * (end - start), True
