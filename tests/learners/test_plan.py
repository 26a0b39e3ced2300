"""What follows an outcome, and how much is folded at once: rules without a server."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from learners.errors import FoldFailed
from learners.plan import (
    BYTES_PER_COMMIT,
    BYTES_PER_ROW,
    CALM,
    GAPS_IN_A_ROW,
    LARGEST_FOLD,
    LARGEST_LIMIT,
    RESENDS,
    ROWS_PER_COMMIT,
    SMALLEST_LIMIT,
    FoldSize,
    Then,
    Troubles,
    after_commit,
    after_error,
    caught_up,
    gathering,
    next_limit,
    outside,
    pause,
    weight,
)
from storage.errors import Fenced, Gap, StorageUnavailable, SuspectGeneration, UnknownOutcome
from storage.unit import Outcome


@pytest.mark.parametrize(
    ("outcome", "then"),
    [
        (Outcome.OK, Then.ADVANCE),
        (Outcome.ALREADY, Then.ADVANCE),
        (Outcome.FENCED, Then.RECLAIM),
        (Outcome.GAP, Then.RECLAIM),
        (None, Then.RESEND),
    ],
)
def test_each_outcome_of_a_commit_has_one_answer(outcome: Outcome | None, then: Then) -> None:
    assert after_commit(outcome, resends=0) is then


def test_an_unknown_outcome_is_answered_by_the_same_commit_only_a_few_times() -> None:
    assert after_commit(None, RESENDS - 1) is Then.RESEND
    assert after_commit(None, RESENDS) is Then.RECLAIM


def test_gaps_in_a_row_stop_the_unit_and_a_good_commit_between_them_starts_the_count_anew() -> None:
    then, troubles = Then.RECLAIM, CALM
    for _ in range(GAPS_IN_A_ROW - 1):
        then, troubles = after_error(Gap("x"), troubles)
        assert then is Then.RECLAIM
    assert after_error(Gap("x"), troubles)[0] is Then.STOP
    assert after_error(Gap("x"), CALM)[0] is Then.RECLAIM


def test_a_fenced_unit_is_claimed_again_however_often() -> None:
    troubles = CALM
    for _ in range(20):
        then, troubles = after_error(Fenced("x"), troubles)
        assert then is Then.RECLAIM
    assert troubles == CALM


def test_a_learner_that_raises_waits_longer_each_time_and_a_suspect_generation_is_not_touched_again() -> None:
    waits, troubles = [], CALM
    for _ in range(12):
        then, troubles = after_error(ValueError("x"), troubles)
        assert then is Then.RETRY
        waits.append(pause(troubles, 0.5))
    assert waits == sorted(waits)
    assert waits[0] < 0.2
    assert waits[-1] <= 30
    assert after_error(SuspectGeneration("x"), CALM)[0] is Then.STOP


def test_who_gives_up_does_so_once_another_has_the_unit_or_the_event_is_known_for_which_a_learner_raises() -> None:
    def failed(next: int) -> FoldFailed:
        return FoldFailed("likes", "ratings", 0, 5, next, ValueError("x"))

    assert after_error(Fenced("x"), CALM, FoldSize())[0] is Then.GIVE_UP
    assert after_error(failed(9), CALM, FoldSize())[0] is Then.NARROW
    assert after_error(failed(6), CALM, FoldSize())[0] is Then.GIVE_UP
    assert after_error(failed(9), CALM, FoldSize(events=1))[0] is Then.GIVE_UP
    assert after_error(StorageUnavailable("x"), CALM, FoldSize())[0] is Then.RECLAIM


@pytest.mark.parametrize("error", [UnknownOutcome("x"), StorageUnavailable("x")])
def test_a_storage_that_does_not_answer_is_asked_again_without_end(error: Exception) -> None:
    troubles = CALM
    for _ in range(50):
        then, troubles = after_error(error, troubles)
        assert then is Then.RECLAIM
    assert pause(troubles, 0.99) <= 2.0


@given(st.floats(0, 1, exclude_max=True))
def test_a_fenced_unit_pauses_at_most_fifty_milliseconds(chance: float) -> None:
    assert 0.02 < pause(CALM, chance) <= 0.05
    assert 0.02 < pause(Troubles(gaps=2), chance) <= 0.05


def test_only_a_known_position_can_be_outside_the_log() -> None:
    assert not outside(None, 5, 10)
    assert not outside(5, 5, 10)
    assert not outside(10, 5, 10)
    assert outside(4, 5, 10)
    assert outside(11, 5, 10)


@given(rows_per_event=st.floats(0.01, 200), waiting=st.integers(1, 20_000))
def test_folds_settle_below_the_limit_of_a_commit_for_any_number_of_rows_per_event(
    rows_per_event: float, waiting: int
) -> None:
    size, pending, overshoots = FoldSize(), 0, 0
    for _ in range(60):
        events = size.next(pending)
        if events == 0:
            pending = 0
            events = size.next(0)
        assert events >= 1
        events = min(events, waiting)
        rows = int(events * rows_per_event)
        pending += rows
        overshoots += pending > ROWS_PER_COMMIT + rows_per_event
        size = size.after(events, rows)
        if pending >= ROWS_PER_COMMIT:
            pending = 0
    assert overshoots <= 2


def test_a_commit_that_may_be_large_takes_events_as_long_as_they_share_their_rows() -> None:
    size, pending, folded, distinct = FoldSize(most=25_000), 0, 0, 20_000
    while folded < 1_000_000 and (events := size.next(pending)):
        rows = min(distinct, pending + events) - pending
        pending, folded, size = pending + rows, folded + events, size.after(events, rows)
    assert folded >= 1_000_000
    assert pending == distinct


@pytest.mark.parametrize("most", [ROWS_PER_COMMIT, 20_000, 100_000])
def test_a_commit_is_full_by_its_rows_or_by_its_bytes(most: int) -> None:
    full = max(BYTES_PER_COMMIT, BYTES_PER_ROW * most)
    assert weight(most - 1, full // 2, most) == most - 1
    assert weight(most, 0, most) == weight(1, full, most) == most


@given(st.lists(st.tuples(st.integers(1, 20_000), st.integers(0, 100_000)), max_size=50))
def test_a_fold_always_takes_at_least_one_event_from_an_empty_commit(history: list[tuple[int, int]]) -> None:
    size = FoldSize()
    for events, rows in history:
        size = size.after(events, rows)
        assert 1 <= size.next(0) <= LARGEST_FOLD
    assert 1 <= size.after_failure().next(0) <= max(1, size.events // 8)


def test_a_failing_event_is_alone_in_its_fold_after_a_few_failures() -> None:
    size = FoldSize(events=LARGEST_FOLD, rows_per_event=0.1)
    for _ in range(5):
        size = size.after_failure()
    assert size.next(0) == 1


def test_a_poll_brings_less_after_a_slow_pass_and_more_after_a_quick_one() -> None:
    assert next_limit(1_000, 0.5, 0.5) == 500
    assert next_limit(1_000, 0.1, 0.1) == 1_000
    assert next_limit(1_000, 0.01, 0.01) == 2_000
    assert next_limit(SMALLEST_LIMIT, 9, 9) == SMALLEST_LIMIT
    assert next_limit(LARGEST_LIMIT, 0.001, 0.001) == LARGEST_LIMIT


def test_a_busy_machine_makes_polls_no_smaller_but_a_pass_that_waits_too_long_does() -> None:
    assert next_limit(1_000, 0.1, 0.6) == 1_000
    assert next_limit(1_000, 0.01, 1) == 500


def test_a_poll_gathers_the_longer_the_more_there_was_to_do_within_the_interval_of_commits() -> None:
    assert gathering(0.0, 0.025) == gathering(0.004, 0.025) == 0.005
    assert gathering(0.012, 0.025) == 0.012
    assert gathering(1.0, 0.025) == 0.025
    assert gathering(0.002, 1.0) == 0.2


@pytest.mark.parametrize(
    ("ends", "positions", "there"),
    [
        ({}, {}, True),
        ({0: (0, 0), 1: (7, 7)}, {}, True),
        ({0: (0, 5)}, {}, False),
        ({0: (0, 5)}, {0: None}, False),
        ({0: (0, 5)}, {0: 4}, False),
        ({0: (0, 5), 1: (3, 9)}, {0: 5, 1: 12}, True),
        ({0: (0, 5), 1: (3, 9)}, {0: 5}, False),
    ],
)
def test_a_version_has_caught_up_when_all_its_units_passed_the_ends_of_its_start(
    ends: dict[int, tuple[int, int]], positions: dict[int, int | None], there: bool
) -> None:
    assert caught_up(ends, positions) is there
