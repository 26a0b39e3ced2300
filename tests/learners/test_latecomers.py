"""A learner whose storage does not answer at the start joins the others later, and has every event once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from learners.declaration import Declaration
from learners.homes import Homes
from learners.latecomers import Latecomers
from storage import Descriptor, Memory, StorageConflict, StorageUnavailable
from tests.learners.conftest import MakeUnit, Stage
from tests.learners.samples import EVENT_TYPES, Histories, ItemCounts, Log, learned, ratings


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
