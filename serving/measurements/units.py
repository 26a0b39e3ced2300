"""One unit as measured: its lag, its rate and the state that they leave it in. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from serving.measurements.history import History
from serving.measurements.lag import Behind
from serving.measurements.sample import Sample
from storage import UnitId, UnitState

LIMIT = 2.0
"""Seconds behind above which a unit is shown as behind. Ends are sampled once a second, so one second is no news."""

LEVEL = 0.05
"""Share by which two rates may differ and still count as equal: less is noise of the sampling."""

STILL = 5.0
"""Seconds without a commit, with events waiting, after which a unit counts as standing still."""


class Condition(Enum):
    """A unit's state in the words that the console shows."""

    IN_STEP = "in step"
    CATCHING_UP = "catching up"
    BEHIND = "behind"
    FALLING_BEHIND = "falling behind"
    STANDS_STILL = "stands still"
    NOT_STARTED = "not started"
    UNKNOWN = "unknown"

    @property
    def unusual(self) -> bool:
        """Whether somebody should look."""
        return self not in (Condition.IN_STEP, Condition.UNKNOWN)


@dataclass(frozen=True, slots=True)
class UnitFigures:
    """One learner on one partition, as measured. `behind` is None when Kafka or the storage did not answer; `rate` is
    events folded per second; times are seconds since the epoch; `course` is seconds behind, oldest first."""

    unit: UnitId
    condition: Condition
    behind: Behind | None
    position: int | None
    rate: float | None
    committed: float | None
    watermark: float | None
    epoch: int
    course: tuple[float, ...]

    @property
    def title(self) -> str:
        """Learner and partition, such as `co_watched/3`."""
        return f"{self.unit.learner}/{self.unit.partition}"


def condition(state: UnitState, lag: Behind | None, rate: float | None, growth: float | None, now: float) -> Condition:
    """Name a unit's state. `rate` is what it folds and `growth` what its log grows by, both per second."""
    if lag is None:
        return Condition.UNKNOWN
    if state.next is None and lag.events:
        return Condition.NOT_STARTED
    if lag.events == 0 or lag.seconds <= LIMIT:
        return Condition.IN_STEP
    if not rate and (state.committed_ms is None or now - state.committed_ms / 1000 > STILL):
        return Condition.STANDS_STILL
    folds, grows = rate or 0.0, growth or 0.0
    if abs(folds - grows) <= LEVEL * max(folds, grows):
        return Condition.BEHIND
    return Condition.CATCHING_UP if folds > grows else Condition.FALLING_BEHIND


def figures(state: UnitState, history: History, points: int = 60) -> UnitFigures:
    """Everything about one unit; lag and rate only if both its log's end and its position are in the newest sample."""
    unit, newest = state.unit, history.newest
    fresh = newest is not None and unit in (newest.units or {}) and _high(newest, unit) is not None
    lags = history.lags(unit)
    lag = lags[-1] if fresh and lags else None
    rate = history.rate(lambda sample: _position(sample, unit)) if fresh else None
    growth = history.rate(lambda sample: _high(sample, unit))
    return UnitFigures(
        unit=unit,
        condition=condition(state, lag, rate, growth, newest.at if newest else 0.0),
        behind=lag,
        position=state.next,
        rate=rate,
        committed=None if state.committed_ms is None else state.committed_ms / 1000,
        watermark=None if state.watermark_ms is None else state.watermark_ms / 1000,
        epoch=state.epoch,
        course=tuple(item.seconds for item in lags[-points:]),
    )


def _position(sample: Sample, unit: UnitId) -> float | None:
    state = (sample.units or {}).get(unit)
    return None if state is None else state.next


def _high(sample: Sample, unit: UnitId) -> float | None:
    ends = (sample.ends or {}).get((unit.topic, unit.partition))
    return None if ends is None else ends[1]
