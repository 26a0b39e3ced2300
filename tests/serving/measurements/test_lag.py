from hypothesis import given
from hypothesis import strategies as st

from serving.measurements.arrivals import Arrivals
from serving.measurements.lag import LEVEL, Behind, behind, furthest


def growing(rate: int, seconds: int) -> Arrivals:
    arrivals = Arrivals()
    for second in range(seconds + 1):
        arrivals.note(float(second), second * rate)
    return arrivals


def test_a_unit_at_the_end_of_its_log_is_level() -> None:
    assert behind(100, (0, 100), 10.0, growing(10, 10)) == LEVEL


def test_a_unit_is_as_many_seconds_behind_as_its_oldest_waiting_event_is_old() -> None:
    found = behind(50, (0, 100), 10.0, growing(10, 10))

    assert found == Behind(50, 4.95)


def test_a_unit_without_a_position_has_all_that_the_log_still_holds_before_it() -> None:
    found = behind(None, (40, 100), 10.0, growing(10, 10))

    assert found is not None
    assert found.events == 60


def test_lag_is_unknown_when_kafka_is_and_never_zero_then() -> None:
    assert behind(5, None, 10.0, Arrivals()) is None


def test_a_position_read_after_the_ends_is_no_negative_lag() -> None:
    assert behind(103, (0, 100), 10.0, growing(10, 10)) == LEVEL


def test_a_lag_from_before_the_measurements_is_a_lower_limit() -> None:
    arrivals = Arrivals()
    arrivals.note(0.0, 500)
    arrivals.note(30.0, 510)

    assert behind(200, (0, 510), 30.0, arrivals) == Behind(310, 30.0, exact=False)


def test_units_together_are_unknown_if_one_of_them_is() -> None:
    assert furthest([Behind(3, 1.0), None]) is None
    assert furthest([]) is None
    assert furthest([Behind(3, 1.0), Behind(4, 0.5)]) == Behind(7, 1.0)


@given(st.integers(1, 1000), st.integers(0, 30), st.integers(1, 29))
def test_seconds_behind_grow_with_the_events_behind(rate: int, seconds: int, more: int) -> None:
    arrivals = growing(rate, 60)
    near = behind((60 - seconds) * rate, (0, 60 * rate), 60.0, arrivals)
    far = behind((60 - seconds) * rate - more * rate, (0, 60 * rate), 60.0, arrivals)

    assert near is not None
    assert far is not None
    assert far.seconds > near.seconds
    assert abs(far.seconds - (seconds + more)) <= 1.0
