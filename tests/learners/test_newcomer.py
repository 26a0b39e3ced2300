"""A new version answers when it has caught up, and not before."""

from __future__ import annotations

from typing import Any

from learners.declaration import Declaration
from learners.homes import Homes
from learners.newcomer import Newcomer
from storage import Counters, Memory, MemoryReads, Records, UnitId, Writes
from streams import KafkaUnavailable
from tests.learners.samples import EVENT_TYPES, Histories, History

OTHER = {"name": "writer", "histories": Records("others", History), "lengths": Counters("other_lengths")}


class Ends:
    """Topics whose one partition ends where a test says; None = Kafka does not answer."""

    def __init__(self, high: int | None) -> None:
        self.high = high

    def ends(self, names: list[str]) -> dict[tuple[str, int], tuple[int, int]]:
        if self.high is None:
            raise KafkaUnavailable("no broker answered")
        return {(name, 0): (0, self.high) for name in names}


def version(number: int) -> Declaration:
    return Declaration.of(type("Histories", (Histories,), {"version": number, "name": "histories"}), EVENT_TYPES)


def newcomer_of(number: int, memory: Memory) -> Newcomer:
    homes = Homes.single(version(number), memory)
    return Newcomer(homes, homes.declare())


def fold_to(memory: Memory, number: int, position: int) -> None:
    claim = memory.claim(UnitId("histories", number, number, "ratings", 0), f"worker {position}")
    memory.commit(claim, claim.next, position, Writes(), None)


async def pointed(memory: Memory) -> set[int]:
    return {alias.version for alias in (await MemoryReads(memory).listed()).aliases.values()}


async def test_readers_keep_the_earlier_version_until_the_new_one_has_caught_up() -> None:
    memory, topics = Memory(), Ends(100)
    Homes.single(version(1), memory).declare()
    fold_to(memory, 1, 100)
    newcomer = newcomer_of(2, memory)
    anywhere: Any = topics

    assert not newcomer.takes_over(anywhere)
    fold_to(memory, 2, 99)
    topics.high = 5_000  # what comes after its start does not hold it up
    assert not newcomer.takes_over(anywhere)
    assert await pointed(memory) == {1}

    fold_to(memory, 2, 100)
    assert newcomer.takes_over(anywhere)
    assert await pointed(memory) == {2}


async def test_of_a_derived_topic_it_waits_for_what_is_still_to_come_there() -> None:
    memory, anywhere = Memory(), Ends(0)
    topics: Any = anywhere
    Homes.single(version(1), memory).declare()
    writer = Homes.single(Declaration.of(type("Writer", (Histories,), OTHER), EVENT_TYPES), memory)
    homes = Homes.single(version(2), memory)
    newcomer = Newcomer(homes, homes.declare(), Newcomer(writer, writer.declare()))
    anywhere.high = 7
    assert not newcomer.takes_over(topics)
    claim = memory.claim(UnitId("writer", 1, 1, "ratings", 0), "me")
    memory.commit(claim, None, 7, Writes(), None)
    assert not newcomer.takes_over(topics)
    fold_to(memory, 2, 7)
    assert newcomer.takes_over(topics)
    assert await pointed(memory) == {1, 2}


async def test_an_earlier_version_that_still_runs_does_not_take_its_names_back() -> None:
    memory, anywhere = Memory(), Ends(0)
    topics: Any = anywhere
    old, new = (newcomer_of(number, memory) for number in (1, 2))
    assert new.takes_over(topics)
    assert old.takes_over(topics)
    assert await pointed(memory) == {2}


async def test_while_kafka_is_away_nothing_is_decided() -> None:
    memory = Memory()
    Homes.single(version(1), memory).declare()
    topics: Any = Ends(None)
    assert not newcomer_of(2, memory).takes_over(topics)
    assert await pointed(memory) == {1}
