import pytest

from serving.measurements import Behind, Condition
from serving.measurements.units import condition, figures
from tests.serving.measurements.samples import T0, history, sample, state, unit


@pytest.mark.parametrize(
    ("lag", "rate", "growth", "expected"),
    [
        (None, 0.0, 0.0, Condition.UNKNOWN),
        (Behind(0, 0.0), 0.0, 0.0, Condition.IN_STEP),
        (Behind(900, 1.2), 0.0, 900.0, Condition.IN_STEP),
        (Behind(900, 9.0), 200.0, 100.0, Condition.CATCHING_UP),
        (Behind(900, 9.0), 100.0, 200.0, Condition.FALLING_BEHIND),
        (Behind(900, 9.0), 101.0, 100.0, Condition.BEHIND),
        (Behind(900, 9.0), 0.0, 100.0, Condition.STANDS_STILL),
        (Behind(900, 9.0), None, None, Condition.STANDS_STILL),
    ],
)
def test_a_units_state_follows_from_its_lag_and_the_two_rates(
    lag: Behind | None, rate: float | None, growth: float | None, expected: Condition
) -> None:
    assert condition(state(unit(), 5, committed=T0), lag, rate, growth, now=T0 + 10) is expected


def test_a_unit_that_never_committed_and_has_events_waiting_has_not_started() -> None:
    found = condition(state(unit(), None, committed=None), Behind(3, 0.5), None, None, now=T0)

    assert found is Condition.NOT_STARTED


def test_a_pause_of_a_moment_is_not_standing_still() -> None:
    found = condition(state(unit(), 5, committed=T0 + 9), Behind(900, 9.0), 0.0, 100.0, now=T0 + 10)

    assert found is Condition.FALLING_BEHIND


def test_a_unit_folds_what_its_position_advances_by() -> None:
    which = unit()
    made = history(*(sample(n, {"ratings": 100 * n}, [state(which, 80 * n, T0 + n)]) for n in range(4)))

    found = figures(state(which, 240, T0 + 3), made)

    assert found.rate == 80
    assert found.behind is not None
    assert found.behind.events == 60
    assert len(found.course) == 4


def test_a_units_lag_and_rate_are_unknown_while_kafka_is_away_but_its_position_stays() -> None:
    which = unit()
    states = [state(which, 80)]
    made = history(sample(0, {"ratings": 100}, states), sample(1, {"ratings": 100}, states), sample(2, None, states))

    found = figures(states[0], made)

    assert found.condition is Condition.UNKNOWN
    assert found.behind is None
    assert found.rate is None
    assert found.position == 80
