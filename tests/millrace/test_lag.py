"""Lag is what the slowest learner of each partition has not committed."""

from __future__ import annotations

from millrace.lag import lag_of
from storage import UnitId, UnitState

NOW = 1_000_000.0


def state(learner: str, partition: int, position: int | None, committed: float = NOW) -> UnitState:
    unit = UnitId(learner, 1, 1, "clicks", partition)
    return UnitState(unit=unit, epoch=1, next=position, watermark_ms=None, committed_ms=int(committed))


def test_level_learners_are_zero_behind() -> None:
    lag = lag_of({("clicks", 0): (0, 10)}, [state("a", 0, 10)], NOW)
    assert (lag.events, lag.seconds) == (0, 0.0)


def test_the_slowest_learner_of_a_partition_counts() -> None:
    units = [state("a", 0, 10), state("b", 0, 4, NOW - 2000), state("a", 1, 7)]
    lag = lag_of({("clicks", 0): (0, 10), ("clicks", 1): (0, 8)}, units, NOW)
    assert lag.events == 6 + 1
    assert lag.seconds == 2.0


def test_a_partition_nobody_has_begun_counts_from_its_low_end() -> None:
    assert lag_of({("clicks", 0): (5, 9)}, [], NOW).events == 4
    assert lag_of({("clicks", 0): (5, 9)}, [state("a", 0, None)], NOW).events == 4
