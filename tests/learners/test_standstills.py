"""Where too many events are bad for too long a unit stands still, wherever it is read next, until it may go on."""

from __future__ import annotations

import time

import pytest

from learners.bad_limit import BadLimit
from learners.standstills import Standstills
from learners.stream import stream
from learners.unit import State, Unit
from schemas.table import MemoryTable
from storage import Memory
from streams import Stops
from tests.away_table import AwayTable
from tests.learners.conftest import MakeUnit, Stage
from tests.learners.samples import Histories, ItemCounts, Log, ratings
from tests.learners.test_partition import MakeStage, check

ENDS = {("ratings", 0): 400}


class Careful(Histories):
    """Stops early."""

    name = "histories"
    stream = stream("ratings", stop_at=BadLimit(percent=20, seconds=10, least=20))


class Clock:
    """Stands at the beginning of a test, and is moved ahead by it."""

    def __init__(self) -> None:
        self._begin, self.ahead = time.monotonic(), 0.0

    def monotonic(self) -> float:
        return self._begin + self.ahead


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("learners.partition.time", clock)
    return clock


def flooded(make_stage: MakeStage, clock: Clock, *, bad: range = range(100, 400)) -> Stage:
    """Ten events a second, the later three quarters of them bad, read for as long as there are some."""
    stage = make_stage(Log(ratings(100), bad=bad), Memory(), [Careful, ItemCounts])
    for _ in range(41):
        stage.step(10)
        clock.ahead += 1
    return stage


def careful(stage: Stage) -> Unit:
    return stage.units[0]


def test_a_unit_stands_still_before_the_event_that_was_too_much_and_says_why_and_the_others_go_on(
    make_stage: MakeStage, clock: Clock
) -> None:
    stage = flooded(make_stage, clock)
    unit, other = stage.units
    assert (unit.state, unit.position) == (State.PAUSED, 190)
    assert "of the last 100 events of ratings/0 100 could not be read (100 %" in (unit.problem or "")
    assert "more than 20 % and at least 20 for 10 s" in (unit.problem or "")
    assert "at offset 199: MalformedEvent: random bytes" in (unit.problem or "")
    other.drain()
    assert other.committed == 400
    assert stage.buried == list(range(100, 400))


def test_it_stands_still_for_the_next_owner_too_until_somebody_lets_it_go_on(
    make_stage: MakeStage, clock: Clock
) -> None:
    stops = Stops(MemoryTable())
    stage = flooded(make_stage, clock)
    Standstills(stops).look(stage.units)
    [stop] = stops.standing()
    assert (stop.reader, stop.position, stop.reason) == ("histories", 190, careful(stage).problem)

    stage.assign()
    owner = Standstills(stops)
    owner.begin(stage.units)
    owner.look(stage.units)
    assert (careful(stage).state, careful(stage).problem) == (State.PAUSED, stop.reason)
    [ended] = stops.go_on("histories", ENDS, "ann")
    assert (ended.partition, stops.standing()) == (0, [])
    owner.look(stage.units)
    stage.run()
    check(stage)


def test_bad_events_from_before_it_was_let_go_on_count_no_more_and_those_after_do(
    make_stage: MakeStage, clock: Clock
) -> None:
    stops = Stops(MemoryTable())
    stage = flooded(make_stage, clock)
    owner = Standstills(stops)
    owner.look(stage.units)
    stops.go_on("histories", {("ratings", 0): 250}, "ann")
    owner.look(stage.units)
    for _ in range(60):
        stage.step(10)
        clock.ahead += 1
    assert (careful(stage).state, careful(stage).position) == (State.PAUSED, 340)


def test_another_version_begins_anew(make_stage: MakeStage, make_unit: MakeUnit, clock: Clock) -> None:
    stops = Stops(MemoryTable())
    Standstills(stops).look(flooded(make_stage, clock).units)

    class Second(Careful):
        name = "histories"
        version = 2

    unit = make_unit(Memory(), Second)
    Standstills(stops).begin([unit])
    assert (unit.state, stops.all()) == (State.WAITING, {})


def test_while_the_table_is_away_a_stop_holds_and_what_may_have_stopped_waits(
    make_stage: MakeStage, clock: Clock
) -> None:
    table = AwayTable()
    stops, stage = Stops(table), flooded(make_stage, clock)
    owner = Standstills(stops)
    table.away = True
    owner.look(stage.units)
    assert careful(stage).state is State.PAUSED
    stage.assign()
    owner = Standstills(stops)
    owner.begin(stage.units)
    assert {unit.state for unit in stage.units} == {State.PAUSED}
    table.away = False
    owner.look(stage.units)
    assert {unit.state for unit in stage.units} == {State.WAITING}


def test_without_a_limit_it_never_stops(make_stage: MakeStage, clock: Clock) -> None:
    class Careless(Histories):
        name = "histories"
        stream = stream("ratings", stop_at=None)

    stage = make_stage(Log(ratings(100), bad=range(100, 400)), Memory(), [Careless])
    for _ in range(41):
        stage.step(10)
        clock.ahead += 1
    stage.run()
    check(stage)
