"""Learners that workers would refuse are found out before they are deployed."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

import millrace as mr
from learners import Placement
from learners.declaration import declarations
from millrace.deployments.writing import unwritable
from storage import Address, Catalogue, Memory, MemoryReads, UnitId, Writes
from tests.serving.shop import Click


class Popular(mr.EventLearner[Click]):
    """What is clicked."""

    popular = mr.Ranking("popular", half_life=timedelta(days=1), technology="memory")

    def learn(self, event: Click) -> None:
        self.popular.add_one("all", event.item)


class Slower(Popular):
    """The same, which fades more slowly, under the same name and version."""

    name: ClassVar[str] = "popular"
    popular = mr.Ranking("popular", half_life=timedelta(days=2), technology="memory")


class More(Popular):
    """The same with one more storage, under the same name and version."""

    name: ClassVar[str] = "popular"
    clicks = mr.Counters("clicks", technology="memory")


class OnTime(Popular):
    """The same without late events: what tells them is one more row of the learner."""

    name: ClassVar[str] = "on_time"
    clicks = mr.stream("clicks", late=mr.Late(timedelta(minutes=5)))
    popular = mr.Ranking("on_time", technology="memory")


async def test_a_learner_that_keeps_more_than_its_storages_is_looked_at_as_well() -> None:
    memory = Memory()
    catalogue = Catalogue({"memory": MemoryReads(memory)})
    [declaration] = declarations([OnTime], {"clicks": Click.event_type})
    memory.declare(declaration.descriptors(1)[1])
    await catalogue.refresh()
    assert unwritable([declaration], Placement("memory"), catalogue) == []


async def test_what_would_mean_other_rows_or_miss_what_was_folded_needs_another_version() -> None:
    # Given the storage of a learner that has folded an event
    memory, types = Memory(), {"clicks": Click.event_type}
    catalogue = Catalogue({"memory": MemoryReads(memory)})
    [first] = declarations([Popular], types)
    memory.declare(first.descriptors(1)[0])
    claim = memory.claim(UnitId("popular", 1, 1, "clicks", 0), "owner")
    memory.commit(claim, None, 1, Writes(scores={Address("ranking/popular", "all"): {"a": 1.0}}), 0)
    await catalogue.refresh()

    def problems(learner: type[mr.Learner]) -> list[str]:
        return unwritable(declarations([learner], types), Placement("memory"), catalogue)

    assert problems(Popular) == []
    [changed] = problems(Slower)
    assert "popular: memory/ranking/popular@1 exists already: option half_life" in changed
    [more] = problems(More)
    assert "memory/counters/clicks@1 would stay without what version 1 has folded" in more

    # Then with another version they are as good as new
    for learner in (Slower, More):
        assert problems(type(learner.__name__, (learner,), {"version": 2, "name": "popular"})) == []
