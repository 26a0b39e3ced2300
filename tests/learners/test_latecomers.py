"""A learner whose storage does not answer at the start joins the others later, and has every event once.

One whose storage is damaged does not hold them up.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
import redis

from learners.declaration import Declaration
from learners.homes import Homes
from learners.latecomers import Latecomers
from storage import Descriptor, Memory, StorageConflict, StorageUnavailable, UnitId
from storage.technologies import opened
from tests.learners.conftest import MakeUnit, Stage
from tests.learners.samples import EVENT_TYPES, LEARNERS, Histories, ItemCounts, Log, learned, ratings


class Away(Memory):
    """Does not answer until it is back; a question may be held up."""

    def __init__(self) -> None:
        super().__init__()
        self.back, self.free = False, threading.Event()
        self.free.set()

    def declare(self, descriptor: Descriptor) -> Descriptor:
        self.free.wait(10)
        if not self.back:
            raise StorageUnavailable("nobody there")
        return super().declare(descriptor)


def homes_of(learner: type[Any], technology: Memory) -> Homes:
    return Homes.single(Declaration.of(learner, EVENT_TYPES), technology)


def arrived(latecomers: Latecomers) -> list[tuple[Homes, int]]:
    until = time.monotonic() + 10
    while not (found := latecomers.arrived()) and time.monotonic() < until:
        time.sleep(0.005)
    return found


def test_who_cannot_be_declared_waits_and_the_others_do_not() -> None:
    away, latecomers = Away(), Latecomers()
    late, early = homes_of(Histories, away), homes_of(ItemCounts, Memory())
    assert list(latecomers.first([late, early])) == [(early, 1)]
    away.free.clear()
    assert latecomers.arrived() == [], "it does not wait for the answer"
    assert len(latecomers) == 1
    away.back = True
    away.free.set()
    assert arrived(latecomers) == [(late, 1)]
    assert (len(latecomers), latecomers.arrived()) == (0, [])
    latecomers.close()


def test_a_learner_that_cannot_run_as_it_is_declared_is_an_error_also_when_it_comes_late() -> None:
    away, latecomers = Away(), Latecomers()
    assert list(latecomers.first([homes_of(Histories, away)])) == []
    away.back = True
    for form in Declaration.of(Histories, EVENT_TYPES).storages.values():
        away.declare(form.describe("another", 1, 1, "ratings"))
    with pytest.raises(StorageConflict):
        arrived(latecomers)
    latecomers.close()


def test_who_is_asked_twice_before_anybody_begins_begins_once() -> None:
    away, latecomers = Away(), Latecomers()
    late = homes_of(Histories, away)
    assert list(latecomers.first([late])) == []
    away.back = True
    assert list(latecomers.first([late])) == [(late, 1)]
    assert (len(latecomers), latecomers.arrived()) == (0, [])
    latecomers.close()


@pytest.mark.parametrize("late", [False, True])
def test_what_another_program_has_damaged_stops_its_learner_alone(
    redis_clean: str, caplog: pytest.LogCaptureFixture, late: bool
) -> None:
    latecomers = Latecomers()
    with closing(opened("redis", redis_clean)) as technology, closing(redis.Redis.from_url(redis_clean)) as raw:
        every = [Homes.single(Declaration.of(learner, EVENT_TYPES), technology) for learner in LEARNERS]
        for homes in every:
            homes.declare()
            homes.commits.claim(UnitId(homes.declaration.name, 1, 1, "ratings", 0), "a")
        raw.hset("mr:{histories@1}:unit:ratings/0", "next", "soon")
        raw.hset("mr:{catalogue}:storages", "ranking/trend@1", "{")
        if late:
            raw.config_set("maxmemory", 1 << 30)
            raw.config_set("maxmemory-policy", "allkeys-lru")  # which is refused for now
        begun = list(latecomers.first(every))
        raw.config_set("maxmemory-policy", "noeviction")
        raw.config_set("maxmemory", 0)
        while len(latecomers):
            begun += latecomers.arrived()
    assert [homes.declaration.name for homes, _ in begun] == ["item_counts"]
    assert "Raise its version" in latecomers.failed.pop("histories")
    assert "--force" in latecomers.failed.pop("trend")
    assert latecomers.failed == {}
    assert [item.levelname for item in caplog.records].count("ERROR") == 2
    latecomers.close()


def test_a_unit_that_is_added_to_a_partition_learns_what_lay_before(
    make_stage: Callable[..., Stage], make_unit: MakeUnit
) -> None:
    stage = make_stage(Log(ratings(300)), Memory(), [ItemCounts])
    stage.step(200)
    late = make_unit(stage.memory, Histories)
    stage.partition.add(late)
    stage.units.append(late)
    stage.run(50)
    assert learned(stage.memory, Histories)["all"]
    assert sum(learned(stage.memory, Histories)["all"].values()) == 300
    assert sum(sum(row.values()) for row in learned(stage.memory, ItemCounts).values()) == 300


def test_a_partition_without_any_unit_waits_for_the_first_one(
    make_stage: Callable[..., Stage], make_unit: MakeUnit
) -> None:
    stage = make_stage(Log(ratings(100)), Memory(), [])
    stage.step()
    assert stage.log.paused
    unit = make_unit(stage.memory, ItemCounts)
    stage.partition.add(unit)
    stage.units.append(unit)
    stage.run()
    assert sum(sum(row.values()) for row in learned(stage.memory, ItemCounts).values()) == 100
