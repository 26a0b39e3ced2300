from hypothesis import given
from hypothesis import strategies as st

from serving.measurements.arrivals import Arrivals


def test_an_event_arrived_between_the_samples_before_and_after_the_log_grew_past_it() -> None:
    arrivals = Arrivals()
    arrivals.note(10.0, 100)
    arrivals.note(11.0, 110)
    arrivals.note(12.0, 130)

    found = [arrivals.when(offset) for offset in (100, 109, 110, 129)]

    assert found == [(10.05, True), (10.95, True), (11.025, True), (11.975, True)]


def test_an_event_that_has_not_arrived_has_no_time() -> None:
    arrivals = Arrivals()
    arrivals.note(10.0, 100)

    assert arrivals.when(100) is None
    assert Arrivals().when(0) is None


def test_an_event_older_than_the_first_sample_is_at_least_that_old_and_says_so() -> None:
    arrivals = Arrivals()
    arrivals.note(10.0, 100)

    assert arrivals.when(99) == (10.0, False)


def test_after_a_silence_an_event_is_as_old_as_the_sample_that_first_showed_it_not_as_the_silence() -> None:
    arrivals = Arrivals()
    for second in range(600):
        arrivals.note(float(second), 7)
    arrivals.note(600.0, 8)

    found = arrivals.when(7)

    assert found == (599.5, True)


def test_a_topic_that_was_created_anew_forgets_the_old_one() -> None:
    arrivals = Arrivals()
    arrivals.note(10.0, 1000)
    arrivals.note(11.0, 4)
    arrivals.note(12.0, 6)

    assert arrivals.when(5) == (11.75, True)


@given(st.lists(st.integers(0, 50), min_size=2, max_size=200), st.data())
def test_no_age_is_wrong_by_more_than_one_interval_however_the_log_grew(growth: list[int], data: st.DataObject) -> None:
    arrivals, high, arrived = Arrivals(), 0, []
    for second, more in enumerate(growth):
        arrived += [second - 0.5] * more  # all of them between this sample and the one before
        high += more
        arrivals.note(float(second), high)
    first = growth[0]
    if high > first:
        offset = data.draw(st.integers(first, high - 1))
        found = arrivals.when(offset)
        assert found is not None
        assert found[1]
        assert abs(found[0] - arrived[offset]) <= 0.5


@given(st.integers(1, 5), st.integers(100, 3000))
def test_memory_is_bounded_and_recent_seconds_stay_exact(rate: int, seconds: int) -> None:
    arrivals = Arrivals(kept=50)
    for second in range(seconds):
        arrivals.note(float(second), second * rate)

    newest = arrivals.when((seconds - 1) * rate - 1)

    assert len(arrivals._times) <= 50
    assert newest is not None
    assert seconds - 2 <= newest[0] <= seconds - 1
