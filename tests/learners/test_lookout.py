"""A store that comes back empty, or with older rows, is noticed without an event, and filled again from the log."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from typing import Any

import pytest

from learners.declaration import Declaration
from learners.homes import Homes
from learners.lookout import Forgotten, Lookout, forgotten
from storage import Descriptor, Memory, StorageUnavailable, UnitState
from tests.learners.conftest import Stage
from tests.learners.samples import EVENT_TYPES, LEARNERS, Histories, Log, Trend, learned, ratings


class Forgetful(Memory):
    """Can be emptied, or put back to what it was."""

    def forget(self, into: Memory | None = None) -> None:
        for name, value in vars(into or Memory()).items():
            if name != "lock":
                setattr(self, name, copy.deepcopy(value))


class Looked(Memory):
    """Counts how often it is asked what there is."""

    looks = 0

    def storages(self) -> list[Descriptor]:
        self.looks += 1
        return super().storages()


class Silent(Memory):
    """Does not say what there is."""

    def storages(self) -> list[Descriptor]:
        raise StorageUnavailable("nobody there")


def snapshot(memory: Memory) -> Memory:
    kept = Forgetful()
    kept.forget(memory)
    return kept


@pytest.mark.parametrize("learner", LEARNERS)
@pytest.mark.parametrize("older", [False, True])
def test_what_a_store_has_forgotten_is_folded_again(
    make_stage: Callable[..., Stage], learner: type[Any], older: bool
) -> None:
    memory, log = Forgetful(), Log(ratings(300))
    stage = make_stage(log, memory, [learner])
    stage.step(100)
    stage.units[0].drain()
    before = snapshot(memory)
    stage.run()
    wanted = learned(memory, learner)
    homes = Homes.single(Declaration.of(learner, EVENT_TYPES), memory)
    assert forgotten(homes, 1, {0: 300}) is None
    memory.forget(before if older else None)
    assert forgotten(homes, 1, {0: 300}) == Forgotten(frozenset([0]), declared=not older)
    assert [item.title for item in memory.storages()] == [item.title for item in before.storages()]
    claims = stage.units[0].claims
    stage.units[0].postpone(StorageUnavailable("it has forgotten"))
    while stage.units[0].claims == claims:
        stage.step()
    stage.run()
    found = learned(memory, learner)
    assert found.keys() == wanted.keys()
    for key, row in wanted.items():
        assert found[key] == (pytest.approx(row, rel=1e-9) if learner is Trend else row)
    assert forgotten(homes, 1, {0: 300}) is None


def test_a_store_that_does_not_answer_has_forgotten_nothing() -> None:
    homes = Homes.single(Declaration.of(Histories, EVENT_TYPES), Silent())
    assert forgotten(homes, 1, {0: 300}) is None


def test_it_looks_again_and_again_and_says_each_finding_once() -> None:
    memory = Looked()
    homes, lookout = Homes.single(Declaration.of(Histories, EVENT_TYPES), memory), Lookout(every=0.0)
    assert seen(lookout, homes) == Forgotten(frozenset(), declared=True)
    looks = memory.looks
    while memory.looks < looks + 2:
        assert lookout.look(homes, 1, dict) is None
    for item in memory.storages():
        memory.erase(item)
    assert seen(lookout, homes) == Forgotten(frozenset(), declared=True)
    lookout.close()


def seen(lookout: Lookout, homes: Homes) -> Forgotten | None:
    """The next finding."""
    until = time.monotonic() + 10
    while (found := lookout.look(homes, 1, dict)) is None and time.monotonic() < until:
        time.sleep(0.001)
    return found


def test_what_another_program_has_damaged_is_looked_at_later(make_stage: Callable[..., Stage]) -> None:
    class Scribbled(Memory):
        scribbled = False

        def units(self, descriptor: Descriptor) -> list[UnitState]:
            if self.scribbled:
                raise KeyError("next")
            return super().units(descriptor)

    memory = Scribbled()
    make_stage(Log(ratings(3)), memory, [Histories])
    memory.scribbled = True
    assert forgotten(Homes.single(Declaration.of(Histories, EVENT_TYPES), memory), 1, {0: 3}) is None
