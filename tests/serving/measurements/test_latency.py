import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.measurements import AnswerCounts
from serving.measurements.latency import between, percentile

BOUNDS = (0.001, 0.002, 0.005, 0.01, 0.05)


def counts(*buckets: int) -> AnswerCounts:
    return AnswerCounts(sum(buckets), 0, 0, BOUNDS, buckets)


def test_a_percentile_lies_in_the_bucket_that_holds_it() -> None:
    assert percentile(counts(0, 100, 0, 0, 0, 0), 0.5) == 0.0015
    assert percentile(counts(50, 50, 0, 0, 0, 0), 0.99) == pytest.approx(0.00198)


def test_no_answers_have_no_percentile_rather_than_zero() -> None:
    assert percentile(counts(0, 0, 0, 0, 0, 0), 0.5) is None
    assert percentile(AnswerCounts(), 0.5) is None


def test_answers_slower_than_every_bound_are_at_least_the_last_bound() -> None:
    assert percentile(counts(0, 0, 0, 0, 0, 10), 0.5) == 0.05


def test_a_window_is_the_difference_of_two_readings() -> None:
    assert between(counts(1, 2, 0, 0, 0, 0), counts(1, 5, 1, 0, 0, 0)) == counts(0, 3, 1, 0, 0, 0)


def test_a_histogram_that_began_anew_counts_whole() -> None:
    assert between(counts(9, 0, 0, 0, 0, 0), counts(1, 0, 0, 0, 0, 0)) == counts(1, 0, 0, 0, 0, 0)
    assert between(AnswerCounts(), counts(1, 0, 0, 0, 0, 0)) == counts(1, 0, 0, 0, 0, 0)


@given(st.lists(st.floats(0.0001, 0.049), min_size=1, max_size=200), st.sampled_from([0.5, 0.9, 0.99]))
def test_a_percentile_is_never_further_off_than_its_bucket_is_wide(taken: list[float], share: float) -> None:
    buckets = np.histogram(taken, bins=[0.0, *BOUNDS, np.inf])[0]
    found = percentile(AnswerCounts(len(taken), 0, 0, BOUNDS, tuple(int(item) for item in buckets)), share)
    true = float(np.quantile(taken, share, method="inverted_cdf"))

    bucket = int(np.searchsorted(BOUNDS, true, side="right"))
    assert found is not None
    assert (0.0, *BOUNDS)[bucket] <= found <= BOUNDS[bucket]
