"""Before an event whose schema a learner cannot read its unit waits; nothing is skipped or becomes a dead letter."""

from __future__ import annotations

import pytest

from learners.standstills import Standstills
from learners.unit import State
from schemas.table import MemoryTable
from storage import Memory
from streams import Stops
from tests.away_table import AwayTable
from tests.learners.conftest import Stage
from tests.learners.samples import Histories, ItemCounts, Log, Unlucky, learned, ratings
from tests.learners.test_partition import MakeStage, check
from tests.waiting import until

FIRST = 60
"""Offset of the first event that cannot be read; those up to 64 and the one at 80 cannot either."""


def made(make_stage: MakeStage, memory: Memory | None = None) -> Stage:
    """A hundred good events, bad ones before and after those that cannot be read, nothing polled yet."""
    log = Log(ratings(100), bad=[5, 50, *range(60, 65), 70, 80])
    log.unreadable = {*range(60, 65), 80}
    return make_stage(log, memory or Memory(), [Histories, ItemCounts])


def stand_still(stage: Stage, poll: int = 1_000) -> None:
    """Pass after pass until every unit stands still."""

    def stands_still() -> bool:
        stage.step(poll)
        return all(unit.state is State.PAUSED for unit in stage.units)

    until(stands_still)


@pytest.mark.parametrize("poll", [1_000, 60, 7])
def test_what_comes_before_is_committed_and_the_rest_waits(make_stage: MakeStage, poll: int) -> None:
    stage = made(make_stage)
    stand_still(stage, poll)
    for unit in stage.units:
        assert (unit.state, unit.position, unit.committed, unit.unreadable) == (State.PAUSED, FIRST, FIRST, True)
        assert "the event at offset 60 cannot be read. stars is text. Nothing is skipped" in (unit.problem or "")
        assert (unit.problem or "").endswith(f"or pass it over: millrace dead-letters resume {unit.id.learner}")
    assert stage.buried == [5, 50]
    assert stage.log.paused
    assert sum(sum(row.values()) for row in learned(stage.memory, ItemCounts).values()) == FIRST - 2


def test_a_commit_that_fails_before_it_is_tried_again_and_then_it_waits(make_stage: MakeStage) -> None:
    stage = made(make_stage, Unlucky(["stolen", "lost", "late"]))
    stand_still(stage, 20)
    assert [unit.committed for unit in stage.units] == [FIRST, FIRST]
    assert stage.buried == [5, 50]


def test_whoever_is_next_tries_again_as_the_learner_may_read_it_now(make_stage: MakeStage) -> None:
    stops = Stops(MemoryTable())
    stage = made(make_stage)
    stand_still(stage)
    Standstills(stops).look(stage.units)
    assert {(stop.reader, stop.position, stop.unreadable) for stop in stops.standing()} == {
        ("histories", FIRST, True),
        ("item_counts", FIRST, True),
    }

    stage.assign()
    owner = Standstills(stops)
    owner.begin(stage.units)
    assert stops.standing() == []
    stand_still(stage)
    owner.look(stage.units)
    assert [stop.position for stop in stops.standing()] == [FIRST, FIRST]

    stage.log.unreadable = set()  # as bad events they are passed over: here only their being readable counts
    stage.assign()
    Standstills(stops).begin(stage.units)
    stage.run()
    check(stage)
    assert stops.standing() == []


def test_it_tries_again_also_where_the_table_was_away_when_it_began(make_stage: MakeStage) -> None:
    table = AwayTable()
    stops = Stops(table)
    stage = made(make_stage)
    stage.step()
    Standstills(stops).look(stage.units)
    stage.assign()
    table.away = True
    owner = Standstills(stops)
    owner.begin(stage.units)
    table.away = False
    stage.log.unreadable = set()
    owner.look(stage.units)
    stage.run()
    check(stage)
    owner.look(stage.units)
    assert stops.standing() == []


def test_one_that_is_let_go_on_passes_over_those_in_the_log_and_waits_before_later_ones(
    make_stage: MakeStage,
) -> None:
    stops = Stops(MemoryTable())
    owner = Standstills(stops)
    stage = made(make_stage)
    histories, counts = stage.units
    stand_still(stage)
    owner.look(stage.units)
    stops.go_on("histories", {("ratings", 0): 75}, "ann")
    owner.look(stage.units)
    stand_still(stage)
    assert (histories.state, histories.committed) == (State.PAUSED, 80)
    assert (counts.state, counts.committed) == (State.PAUSED, FIRST)
    assert stage.buried == [5, 50, 60, 61, 62, 63, 64, 70]

    owner.look(stage.units)
    for reader in ("histories", "item_counts"):
        stops.go_on(reader, {("ratings", 0): stage.log.whole.next}, "ann")
    owner.look(stage.units)
    stage.run()
    check(stage)
    assert stage.buried == [5, 50, 60, 61, 62, 63, 64, 70, 80]
