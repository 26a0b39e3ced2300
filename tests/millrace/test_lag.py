"""Lag is what the slowest learner of each partition has not committed."""

from __future__ import annotations

from millrace.lag import lag_of
from storage import UnitId, UnitState

NOW = 1_000_000.0


def state(learner: str, partition: int, position: int | None, committed: float = NOW) -> UnitState:
    unit = UnitId(learner, 1, 1, "clicks", partition)
    return UnitState(unit=unit, epoch=1, next=position, watermark_ms=None, committed_ms=int(committed))


ENDS = {("clicks", 0): (0, 10), ("clicks", 1): (0, 8), ("views", 0): (5, 9)}


def test_level_learners_are_zero_behind() -> None:
    lag = lag_of({("clicks", 0): (0, 10)}, {"a": "clicks"}, [state("a", 0, 10)], NOW)
    assert (lag.events, lag.seconds) == (0, 0.0)


def test_the_slowest_learner_of_a_partition_counts() -> None:
    units = [state("a", 0, 10), state("b", 0, 4, NOW - 2000), state("a", 1, 7), state("b", 1, 8)]
    lag = lag_of(ENDS, {"a": "clicks", "b": "clicks"}, units, NOW)
    assert (lag.events, lag.seconds) == (6 + 1, 2.0)


def test_a_learner_that_has_not_begun_counts_from_the_low_end_whatever_others_have_done() -> None:
    assert lag_of(ENDS, {"v": "views"}, [], NOW).events == 4
    units = [state("a", 0, 10), state("a", 1, 8), state("b", 0, None)]
    assert lag_of(ENDS, {"a": "clicks", "b": "clicks"}, units, NOW).events == 10 + 8


def test_a_topic_that_nobody_folds_is_no_lag() -> None:
    assert lag_of(ENDS, {"a": "clicks"}, [state("a", 0, 10), state("a", 1, 8)], NOW).events == 0
