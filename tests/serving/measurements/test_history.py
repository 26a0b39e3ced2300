import pytest

from serving.measurements import History, Sample
from tests.serving.measurements.samples import T0, history, sample, state, unit


def high(of: Sample) -> float | None:
    return None if of.ends is None else of.ends["ratings", 0][1]


def test_a_rate_is_taken_over_the_last_five_seconds() -> None:
    made = history(*(sample(second, {"ratings": 100 * second if second < 20 else 2000}) for second in range(31)))

    assert made.rate(high) == 0
    assert made.rates(high)[:3] == [100, 100, 100]


def test_a_rate_needs_two_samples() -> None:
    assert History().rate(high) is None
    assert history(sample(0, {"ratings": 5})).rate(high) is None


def test_a_sample_without_the_count_leaves_a_gap_and_does_not_count_as_zero() -> None:
    made = history(sample(0, {"ratings": 100}), sample(1), sample(2, {"ratings": 120}))

    assert made.rate(high) == 10
    assert made.rates(high) == [10]


def test_a_count_that_fell_has_no_rate() -> None:
    assert history(sample(0, {"ratings": 100}), sample(1, {"ratings": 3})).rate(high) is None


def test_growth_was_last_seen_at_the_first_sample_that_showed_it() -> None:
    made = history(*(sample(second, {"ratings": 7 if second >= 3 else 6}) for second in range(9)))

    assert made.last_growth(high) == T0 + 3


def test_no_growth_within_what_is_kept_is_not_known() -> None:
    assert history(sample(0, {"ratings": 7}), sample(1, {"ratings": 7})).last_growth(high) is None


def test_only_the_newest_samples_are_kept() -> None:
    made = History(kept=3)
    for second in range(10):
        made.add(sample(second, {"ratings": second}))

    assert [item.at - T0 for item in made] == [7, 8, 9]


def test_the_lag_of_every_unit_is_kept_with_each_sample() -> None:
    which = unit()
    made = history(*(sample(second, {"ratings": 10 * second}, [state(which, 0)]) for second in range(4)))

    assert [lag.events for lag in made.lags(which)] == [0, 10, 20, 30]
    assert made.lags(which)[-1].seconds == pytest.approx(2.95)
