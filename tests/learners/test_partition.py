"""Units share a partition: each learns every event once, though they stand, fail and return apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from learners.unit import State
from storage import Memory
from tests.learners.conftest import Stage
from tests.learners.samples import (
    LEARNERS,
    Histories,
    ItemCounts,
    Log,
    Trend,
    Unlucky,
    expected_histories,
    learned,
    once,
    ratings,
)

MakeStage = Callable[..., Stage]


def check(stage: Stage) -> None:
    frame = stage.log.whole.frame
    expected = expected_histories(frame)
    assert learned(stage.memory, Histories)["all"] == {user: frame["user"].to_list().count(user) for user in expected}
    assert {user: row["items"] for user, row in learned(stage.memory, Histories).items() if user != "all"} == expected


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sampled_from(["ok", "slow", "lost", "late", "stolen"]), max_size=12),
    st.lists(st.tuples(st.integers(1, 90), st.booleans()), max_size=12),
    st.sets(st.integers(0, 299), max_size=5),
)
def test_no_mix_of_faults_cuts_and_crashes_loses_or_doubles_an_event(
    make_stage: MakeStage, fate: list[str], passes: list[tuple[int, bool]], bad: set[int]
) -> None:
    stage = make_stage(Log(ratings(300), sorted(bad)), Unlucky(fate), [Histories, ItemCounts])
    for count, crash in passes:
        stage.step(count)
        if crash:
            stage.assign()
    stage.run()
    check(stage)
    assert sum(sum(row.values()) for row in learned(stage.memory, ItemCounts).values()) == 300


def test_each_unit_skips_what_lies_below_its_own_position(make_stage: MakeStage) -> None:
    log, memory = Log(ratings(300)), Memory()
    ahead = make_stage(Log(ratings(300)[:200]), memory, [Histories])
    ahead.run()
    both = make_stage(log, memory, [Histories, ItemCounts])
    assert log.place is None
    both.run(50)
    check(both)
    assert sum(sum(row.values()) for row in learned(memory, ItemCounts).values()) == 300


def test_a_unit_that_raises_does_not_hold_up_the_other_and_catches_up(make_stage: MakeStage) -> None:
    class Picky(Histories):
        name = "histories"
        learn = once({"i3": 3}, Histories.learn)

    stage = make_stage(Log(ratings(300)), Memory(), [Picky, ItemCounts])
    stage.step()
    picky, counts = stage.units
    counts.drain()
    assert (picky.state, counts.committed) == (State.WAITING, 300)
    stage.run()
    check(stage)


def test_a_position_outside_the_log_stops_that_unit_and_says_how_to_rebuild(
    make_stage: MakeStage, caplog: pytest.LogCaptureFixture
) -> None:
    memory = Memory()
    make_stage(Log(ratings(100)), memory, [Histories]).run()
    log = Log(ratings(300), low=150)
    stage = make_stage(log, memory, [Histories, ItemCounts])
    stage.run()
    histories, counts = stage.units
    assert histories.state is State.STOPPED
    assert counts.committed == 450
    assert "lies outside the log of ratings/0, which holds 150 to 450" in caplog.text
    assert "raise the learner's version" in caplog.text


def test_when_no_unit_is_left_the_partition_is_paused_and_polling_goes_on(make_stage: MakeStage) -> None:
    memory = Memory()
    make_stage(Log(ratings(100)), memory, [Histories]).run()
    stage = make_stage(Log(ratings(300), low=150), memory, [Histories])
    stage.partition.outside(150, 450)
    for _ in range(3):
        stage.step()
    assert stage.log.paused


def test_bad_events_are_buried_once_before_the_position_passes_them(make_stage: MakeStage) -> None:
    stage = make_stage(Log(ratings(100), bad=[3, 50, 51, 101, 102]), Unlucky(["ok", "stolen"]), [Histories, Trend])
    stage.run(20)
    assert stage.buried == [3, 50, 51, 101, 102]
    check(stage)


def test_while_dead_letters_are_refused_no_position_passes_and_later_everything_is_learned(
    make_stage: MakeStage,
) -> None:
    stage = make_stage(Log(ratings(100), bad=[30]), Memory(), LEARNERS)
    stage.refuse_burials = 2
    stage.step(20)
    stage.step(20)
    stage.step(20)
    assert all((unit.position or 0) <= 30 for unit in stage.units)
    stage.run(20)
    assert stage.buried == [30]
    check(stage)


def test_a_fenced_unit_reads_again_from_its_committed_position(make_stage: MakeStage) -> None:
    stage = make_stage(Log(ratings(100)), Unlucky(["ok", "stolen"]), [Histories])
    stage.run(10)
    assert 10 in stage.log.seeks
    check(stage)


@pytest.mark.parametrize("learners", [[Histories], [Histories, ItemCounts, Trend]])
def test_no_seek_is_needed_while_all_goes_well(make_stage: MakeStage, learners: list[type[Any]]) -> None:
    stage = make_stage(Log(ratings(300)), Memory(), learners)
    stage.run(25)
    assert stage.log.seeks == []
