"""The last two minutes of samples, and rates and lags over them. No I/O."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise

from serving.measurements.arrivals import Arrivals
from serving.measurements.lag import Behind, behind
from serving.measurements.sample import Partition, Sample
from storage import UnitId, UnitState

KEPT = 120
RATE_WINDOW = 5.0
"""Seconds over which a rate is taken: long enough to be steady, short enough to follow a click."""

Count = Callable[[Sample], float | None]
"""Picks a cumulative count from a sample; None where the sample does not know it."""


class History:
    """Samples in order of time, newest last, and when each partition's events arrived."""

    def __init__(self, kept: int = KEPT) -> None:
        self._samples: deque[Sample] = deque(maxlen=kept)
        self._arrivals: dict[Partition, Arrivals] = {}
        self._lags: dict[UnitId, deque[Behind]] = {}
        self._states: dict[UnitId, UnitState] = {}

    def add(self, sample: Sample) -> None:
        """Append a sample that is newer than all before."""
        self._samples.append(sample)
        self._states.update(sample.units or {})
        for partition, (_, high) in (sample.ends or {}).items():
            self._arrivals.setdefault(partition, Arrivals()).note(sample.at, high)
        for unit, state in (sample.units or {}).items():
            lag = behind(
                state.next, (sample.ends or {}).get((unit.topic, unit.partition)), sample.at, self.arrivals(unit)
            )
            if lag is not None:
                self._lags.setdefault(unit, deque(maxlen=self._samples.maxlen)).append(lag)

    def __len__(self) -> int:
        return len(self._samples)

    def __iter__(self) -> Iterator[Sample]:
        return iter(self._samples)

    @property
    def newest(self) -> Sample | None:
        """The newest sample, or None before the first."""
        return self._samples[-1] if self._samples else None

    def last(self, known: Callable[[Sample], object | None]) -> Sample | None:
        """The newest sample for which `known` gives something else than None."""
        return next((sample for sample in reversed(self._samples) if known(sample) is not None), None)

    @property
    def states(self) -> Mapping[UnitId, UnitState]:
        """How far each unit was when its storage last told."""
        return self._states

    def arrivals(self, unit: UnitId) -> Arrivals:
        """When the events of a unit's partition arrived."""
        return self._arrivals.get((unit.topic, unit.partition)) or Arrivals()

    def lags(self, unit: UnitId) -> tuple[Behind, ...]:
        """How far the unit was behind in each sample that knew, oldest first."""
        return tuple(self._lags.get(unit, ()))

    def rate(self, count: Count, window: float = RATE_WINDOW) -> float | None:
        """Per second, over the newest `window` seconds; None without two samples that know the count, or if it fell."""
        first: tuple[float, float] | None = None
        last: tuple[float, float] | None = None
        for sample in reversed(self._samples):
            value = count(sample)
            if value is None:
                continue
            if last is None:
                last = (sample.at, value)
            elif last[0] - sample.at <= window:
                first = (sample.at, value)
            else:
                break
        return _slope(first, last)

    def rates(self, count: Count, points: int = 60) -> list[float]:
        """Per second, between each two successive samples of the newest `points`, oldest first."""
        known = [(sample.at, value) for sample in self._samples if (value := count(sample)) is not None][-points - 1 :]
        return [max(0.0, _slope(before, after) or 0.0) for before, after in pairwise(known)]

    def last_growth(self, count: Count) -> float | None:
        """When the count last grew, in seconds since the epoch; None if it has not within the samples kept."""
        after: tuple[float, float] | None = None
        for sample in reversed(self._samples):
            value = count(sample)
            if value is None:
                continue
            if after is not None and after[1] > value:
                return after[0]
            after = (sample.at, value)
        return None

    def over(self, window: float) -> tuple[Sample, Sample] | None:
        """The newest sample and the oldest one at most `window` seconds before it; None with fewer than two."""
        if len(self._samples) < 2:
            return None
        newest = self._samples[-1]
        oldest = next(sample for sample in self._samples if newest.at - sample.at <= window)
        return None if oldest is newest else (oldest, newest)


def _slope(first: tuple[float, float] | None, last: tuple[float, float] | None) -> float | None:
    if first is None or last is None or last[0] <= first[0] or last[1] < first[1]:
        return None
    return (last[1] - first[1]) / (last[0] - first[0])
