"""A learner whose storages are in several technologies: where they live, and what its units do there."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import polars as pl
import pytest

from learners import FrameLearner, stream
from learners.declaration import Declaration
from learners.errors import LearnerRefused
from learners.homes import Homes
from learners.newcomer import Newcomer
from learners.placement import Placement
from learners.trace import Trace
from learners.unit import State, Unit
from storage import Claim, Counters, Memory, Outcome, Ranking, Records, Technology, UnitId, Writes
from storage.errors import StorageUnavailable
from streams import Batch
from tests.learners.conftest import folded
from tests.learners.samples import History, Rating, ratings

EVENT_TYPES = {"ratings": Rating.event_type}


class Watching(FrameLearner):
    """What a viewer has seen is read back; what is counted elsewhere depends on it."""

    ratings = stream("ratings", key="user")
    counts = Counters("counts", technology="search")
    seen = Records("seen", History, technology="relational")
    best = Ranking("best", technology="search")

    def learn(self, batch: Batch) -> None:
        self.seen.load(batch.frame["user"])
        for user, item in batch.frame.select("user", "item").iter_rows():
            old = self.seen.get(user)
            items = [] if old is None else old.items
            self.counts.add_one(user, "again" if item in items else "new")
            self.seen.put_one(user, History(user=user, items=[*items, item]))
        self.best.add(batch.frame.with_columns(pl.lit("all").alias("list")), key="list", member="item")


class Crowded(Memory):
    """Answers no commit beyond a position."""

    last = 10**9

    def commit(self, claim: Claim, expected: int | None, new: int, writes: Writes, watermark_ms: int | None) -> Outcome:
        if new > self.last:
            raise StorageUnavailable("It is full.")
        return super().commit(claim, expected, new, writes, watermark_ms)


class Named(Memory):
    """Says that it is another technology."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name


def homes_of(learner: type[Any], **technologies: Technology) -> Homes:
    return Homes.of(Declaration.of(learner, EVENT_TYPES), technologies)


def unit_of(homes: Homes) -> Unit:
    """A unit of the first partition, claimed."""
    unit = UnitId("watching", 1, homes.declare(), "ratings", 0)
    found = Unit(unit, homes.declaration, homes.commits, ThreadPoolExecutor(1), Trace(None), 0.0)
    found.claim()
    return found


def rows(memory: Memory) -> dict[Any, Any]:
    return {address: row for item in memory.storages() for address, row in memory.dump(item)}


def test_a_commit_holds_as_many_rows_as_each_of_its_technologies_takes() -> None:
    placed = Declaration.of(Watching, EVENT_TYPES)
    alone, both = (
        Homes.single(placed, Named("cassandra")),
        Homes.of(placed, {"relational": Named("relational"), "search": Named("search")}),
    )
    assert (alone.rows, both.rows, both.bulk) == (20_000, 2_000, 2_000)


def test_the_state_is_where_rows_can_be_read_back() -> None:
    state, derived = Memory(), Memory()
    homes = homes_of(Watching, relational=state, search=derived)
    assert homes.technologies == (state, derived)
    homes.declare()
    assert [item.storage for item in state.storages()] == ["records/seen"]
    assert [item.storage for item in derived.storages()] == ["counters/counts", "ranking/best"]


def test_a_learner_may_say_where_its_state_is() -> None:
    state, other = Memory(), Memory()
    told = type("Told", (Watching,), {"state": "search"})
    assert homes_of(told, relational=other, search=state).technologies == (state, other)
    with pytest.raises(LearnerRefused, match="cassandra"):
        homes_of(type("Told", (Watching,), {"state": "cassandra"}), relational=other, search=state)


def test_a_technology_that_is_not_set_up_is_named_with_its_setting() -> None:
    with pytest.raises(LearnerRefused, match="MILLRACE_SEARCH_URL"):
        homes_of(Watching, relational=Memory())


@pytest.mark.parametrize(
    "moved", [{"best": "relational"}, {"seen": "search"}, {"seen": "search", "best": "relational"}]
)
def test_a_storage_that_comes_where_its_learner_has_folded_is_refused_and_not_left_empty(moved: dict[str, str]) -> None:
    technologies: dict[str, Technology] = {"relational": Memory(), "search": Memory()}

    def homes(version: int, **product: str) -> Homes:
        learner = type("Watching", (Watching,), {"version": version, "name": "watching"})
        return Homes.of(Declaration.of(learner, EVENT_TYPES), technologies, Placement(product=product))

    first = homes(1)
    first.declare()
    assert homes(1, **moved).missing(1) != []
    first.commits.commit(first.commits.claim(UnitId("watching", 1, 1, "ratings", 0), "a"), None, 5, Writes(), None)
    with pytest.raises(LearnerRefused, match="Raise the learner's version"):
        homes(1, **moved).declare()
    assert homes(1).declare() == 1
    assert homes(2, **moved).declare() == 2


def test_after_a_crash_between_two_technologies_each_event_counts_once() -> None:
    frame = ratings(900)
    state, derived = Crowded(), Memory()
    state.last = 300
    homes = homes_of(Watching, relational=state, search=derived)
    first = unit_of(homes)
    for start in range(0, 900, 100):  # from 300 on only the derived technology commits
        if first.state is State.ACTIVE:
            folded(first, Batch.of(frame[start : start + 100], "ratings", 0, start))
            first.drain()
    assert first.state is State.WAITING
    assert homes.units(1)[0].next == 300
    ahead = derived.units(derived.storages()[0])[0].next
    assert ahead is not None
    assert ahead > 300
    state.last = 10**9
    second = unit_of(homes)
    folded(second, Batch.of(frame[300:], "ratings", 0, 300))
    second.drain()
    assert second.committed == 900
    control = Memory()
    alone = unit_of(Homes.single(homes.declaration, control))
    folded(alone, Batch.of(frame, "ratings", 0, 0))
    alone.drain()
    assert rows(state) | rows(derived) == rows(control)


def test_the_names_move_in_every_technology_when_the_state_has_caught_up() -> None:
    class Ends:
        def ends(self, names: list[str]) -> dict[tuple[str, int], tuple[int, int]]:
            return {("ratings", 0): (0, 5)}

    state, derived = Memory(), Memory()
    for version in (1, 2):
        learner = type("Watching", (Watching,), {"version": version, "name": "watching"})
        homes = homes_of(learner, relational=state, search=derived)
        newcomer = Newcomer(homes, homes.declare())
    topics: Any = Ends()
    claim = homes.commits.claim(UnitId("watching", 2, 2, "ratings", 0), "a")
    assert not newcomer.takes_over(topics)
    homes.commits.commit(claim, None, 5, Writes(), None)
    assert newcomer.takes_over(topics)
    pointed = {**state.aliases(), **derived.aliases()}
    assert {name: alias.version for name, alias in pointed.items()} == {
        ("records", "seen"): 2,
        ("counters", "counts"): 2,
        ("ranking", "best"): 2,
    }
