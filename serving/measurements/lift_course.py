"""How a lift went since the service began to look: points in order of time, thinned as they grow many. No I/O."""

from __future__ import annotations

from dataclasses import dataclass

KEPT = 240
"""Points that are kept at most: twice as many as a chart needs, so that half of them may be given up at once."""


@dataclass(frozen=True, slots=True)
class LiftPoint:
    """A lift and its bounds at one moment, in seconds since the epoch; None where there is no bound yet."""

    at: float
    lift: float
    low: float | None
    high: float | None


class LiftCourse:
    """Points of one variant at about equal distances, from the first look to the newest; `apart` is in seconds."""

    def __init__(self, apart: float = 1.0) -> None:
        self.apart = apart
        self._points: list[LiftPoint] = []
        self._newest: LiftPoint | None = None

    def add(self, point: LiftPoint) -> None:
        """A newer point: kept if the last kept is far enough away, and shown as the newest in any case."""
        self._newest = point
        if self._points and point.at - self._points[-1].at < self.apart:
            return
        self._points.append(point)
        if len(self._points) > KEPT:
            self._points = self._points[::2]
            self.apart *= 2

    @property
    def points(self) -> tuple[LiftPoint, ...]:
        """Oldest first; the last is the newest look."""
        if self._newest is None or self._newest is self._points[-1]:
            return tuple(self._points)
        return (*self._points, self._newest)
