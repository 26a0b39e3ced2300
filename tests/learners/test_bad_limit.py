"""When bad events are too many is decided by numbers alone."""

from __future__ import annotations

import pytest

from learners import LearnerRefused
from learners.bad_limit import BadLimit, BadShare, Share

LIMIT = BadLimit(percent=20, seconds=10, least=40)


def after(*seconds: tuple[int, int], limit: BadLimit = LIMIT) -> list[Share | None]:
    """What is said of events that come once a second, as (good, bad)."""
    counted = BadShare(limit)
    return [counted.saw(float(at), good, bad) for at, (good, bad) in enumerate(seconds)]


def test_more_than_the_limit_for_its_whole_time_is_told_at_its_end() -> None:
    assert after(*[(3, 5)] * 10) == [None] * 9 + [Share(50, 80)]


def test_a_burst_stops_nothing_however_large() -> None:
    assert after((0, 1_000_000), *[(0, 0)] * 8, (0, 5), (0, 5)) == [None] * 11
    assert after((0, 1_000_000), *[(8, 2)] * 20) == [None] * 21


def test_a_while_in_which_most_were_good_begins_the_time_anew() -> None:
    assert after(*[(0, 9)] * 9, (9, 1), *[(0, 9)] * 9) == [None] * 19
    assert after(*[(0, 9)] * 9, (9, 1), *[(0, 9)] * 10)[-1] == Share(90, 90)


def test_exactly_the_limit_is_not_above_it() -> None:
    assert after(*[(8, 2)] * 30) == [None] * 30


def test_few_bad_events_are_never_too_many_whatever_their_share() -> None:
    assert after(*[(0, 3)] * 30) == [None] * 30
    assert after(*[(0, 4)] * 10)[-1] == Share(40, 40)


def test_a_worker_that_is_slow_to_read_counts_what_it_reads() -> None:
    assert after(*[(0, 20), (0, 0)] * 5, (0, 20))[-1] is None
    assert after(*[(0, 20), (0, 20), (0, 0)] * 3, (0, 20))[-1] == Share(140, 140)


def test_good_events_alone_never_stop_anything() -> None:
    assert after(*[(0, 9)] * 9, (1, 0))[-1] is None


@pytest.mark.parametrize("wrong", [{"percent": 100}, {"percent": -1}, {"seconds": 0}, {"least": 0}])
def test_a_limit_that_is_none_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(LearnerRefused, match="is no limit"):
        BadLimit(**wrong)  # type: ignore[arg-type]
