"""Storages are found by name, and readers follow the name to what it stands for now."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from schemas import Record, encode_record
from storage import (
    Catalogue,
    Counters,
    CountersReader,
    Descriptor,
    DriverMissing,
    Format,
    FormatRefused,
    Memory,
    MemoryReads,
    Opening,
    Ranking,
    RankingReader,
    Reads,
    Records,
    RecordsReader,
    StorageMissing,
    StorageUnavailable,
    UnitId,
    UnitState,
    Writes,
)
from storage.address import Address
from storage.listed import Listed
from storage.naming import instead
from tests.storage.form_stage import Row


class Other(Record):
    """Rows that nobody has written."""

    film: str


def declared(memory: Memory, form: Format, version: int = 1) -> None:
    memory.point([memory.declare(form.describe("learner", version, version, "clicks"))])


def committed(memory: Memory, version: int, writes: Writes) -> None:
    claim = memory.claim(UnitId("learner", version, version, "clicks", 0), f"owner {version}")
    memory.commit(claim, None, 1, writes, 5)


async def catalogue_of(**memories: Memory) -> Catalogue:
    catalogue = Catalogue({name: MemoryReads(memory) for name, memory in memories.items()})
    await catalogue.refresh()
    return catalogue


async def test_a_reader_follows_the_name_to_a_newer_version_after_a_refresh() -> None:
    memory, row = Memory(), Address("ranking/popular", "all")
    declared(memory, Ranking("popular"))
    committed(memory, 1, Writes(scores={row: {"old": 1.0}}))
    catalogue = await catalogue_of(memory=memory)
    reader = catalogue.reader(RankingReader, "popular")
    declared(memory, Ranking("popular"), 2)
    committed(memory, 2, Writes(scores={row: {"new": 1.0}}))
    assert await reader.top("all", 9) == [("old", 1.0)]
    await catalogue.refresh()
    assert await reader.top("all", 9) == [("new", 1.0)]
    pinned = catalogue.reader(RankingReader, "popular@1")
    assert await pinned.top("all", 9) == [("old", 1.0)]


async def test_what_does_not_exist_is_answered_by_what_does() -> None:
    memory = Memory()
    with pytest.raises(StorageMissing, match="ranking/popular does not exist; there are: none yet"):
        (await catalogue_of(memory=memory)).find("ranking", "popular")
    declared(memory, Counters("clicks"))
    declared(memory, Counters("popular"))
    catalogue = await catalogue_of(memory=memory)
    known = "ranking/popular does not exist; there are: memory/counters/clicks@1, memory/counters/popular@1."
    with pytest.raises(StorageMissing) as refused:
        catalogue.reader(RankingReader, "popular")
    assert str(refused.value) == known
    with pytest.raises(StorageMissing, match="counters/clicks has no version @9; it has @1"):
        catalogue.find("counters", "clicks", version=9)


def made(memory: Memory, form: Format) -> None:
    """Created by a person; nobody writes it."""
    memory.declare(replace(form.describe("nobody", 1, 1, ""), writer=""))


async def test_of_one_name_in_two_technologies_that_is_read_which_is_placed_or_else_written_or_the_default() -> None:
    one, other = Memory(), Memory()
    declared(one, Ranking("popular"))
    made(other, Ranking("popular"))

    async def home(**placed: str) -> str:
        catalogue = Catalogue({"redis": MemoryReads(one), "relational": MemoryReads(other)}, placed)
        await catalogue.refresh()
        return catalogue.find("ranking", "popular").technology

    assert await home() == "redis", "nobody writes the other"
    assert await home(popular="relational") == "relational"
    assert await home(popular="search", default="relational") == "redis", "it is not where it is placed"
    declared(other, Ranking("popular"), 2)
    assert await home(default="relational") == "relational"
    with pytest.raises(StorageMissing, match=r'popular = "redis" or "relational" below \[storages\]'):
        await home()


async def test_one_name_in_two_technologies_must_be_qualified() -> None:
    one, other = Memory(), Memory()
    for memory in (one, other):
        declared(memory, Ranking("popular"))
    catalogue = await catalogue_of(redis=one, memory=other)
    with pytest.raises(
        StorageMissing, match=r'say which is meant: in product.toml, popular = "memory" or "redis" below \[storages\]'
    ):
        catalogue.find("ranking", "popular")
    assert catalogue.find("ranking", "redis/ranking/popular").title == "redis/ranking/popular@1"
    assert catalogue.find("ranking", "memory/ranking/popular@1").technology == "memory"
    assert catalogue.find("ranking", "popular", technology="redis").technology == "redis"


async def test_storages_are_sorted() -> None:
    memory = Memory()
    for form, version in ((Ranking("b"), 2), (Ranking("b"), 10), (Counters("z"), 1), (Ranking("a"), 1)):
        declared(memory, form, version)
    found = [item.title for item in (await catalogue_of(memory=memory)).storages()]
    assert found == ["memory/counters/z@1", "memory/ranking/a@1", "memory/ranking/b@2", "memory/ranking/b@10"]


async def test_every_storage_of_a_writer_shows_the_same_units() -> None:
    memory = Memory()
    declared(memory, Ranking("a"))
    declared(memory, Counters("b"))
    committed(memory, 1, Writes())
    states = (await catalogue_of(memory=memory)).states()
    assert set(states) == {"memory/ranking/a@1", "memory/counters/b@1"}
    assert {state.next for found in states.values() for state in found} == {1}


async def test_records_are_read_by_a_class_that_avros_rules_allow_and_by_no_other() -> None:
    memory, form = Memory(), Records("rows", Row)
    declared(memory, form)
    committed(memory, 1, Writes(puts={Address("records/rows", "u"): encode_record(Row, Row("u", ["a"], 3))}))
    catalogue = await catalogue_of(memory=memory)
    assert await catalogue.reader(RecordsReader, "rows", record=Row).get("u") == Row("u", ["a"], 3)
    assert await catalogue.reader(RecordsReader, "rows").get("u") == {"user": "u", "items": ["a"], "seen": 3}
    with pytest.raises(FormatRefused, match="cannot be read as Other"):
        catalogue.reader(RecordsReader, "rows", record=Other)


async def test_a_class_that_wants_less_and_has_defaults_reads_the_rows() -> None:
    class Row2(Record):
        user: str
        note: str = "none"

    Row2.__name__ = "Row"
    memory = Memory()
    declared(memory, Records("rows", Row))
    committed(memory, 1, Writes(puts={Address("records/rows", "u"): encode_record(Row, Row("u", ["a"], 3))}))
    catalogue = await catalogue_of(memory=memory)
    assert await catalogue.reader(RecordsReader, "rows", record=Row2).get("u") == Row2("u", "none")


class Moody(MemoryReads):
    """A technology that does not answer while `away`, and answers only when told to while `slow`."""

    away = False

    def __init__(self, memory: Memory) -> None:
        super().__init__(memory)
        self.open = asyncio.Event()
        self.open.set()

    async def listed(self) -> Listed:
        await self.open.wait()
        if self.away:
            raise StorageUnavailable("no answer")
        return await super().listed()


async def test_what_was_known_stays_known_while_a_technology_is_away_and_since_when_is_told() -> None:
    memory = Memory()
    declared(memory, Counters("clicks"))
    committed(memory, 1, Writes())
    reads = Moody(memory)
    catalogue = Catalogue({"memory": reads})
    await catalogue.refresh()
    answered = catalogue.health()["memory"].answered
    reads.away = True
    await catalogue.refresh()
    assert catalogue.find("counters", "clicks").name == "clicks"
    assert catalogue.reader(CountersReader, "clicks").format == "counters"
    assert [state.next for state in catalogue.states()["memory/counters/clicks@1"]] == [1]
    assert (catalogue.health()["memory"].answered, catalogue.health()["memory"].error) == (answered, "no answer")
    with pytest.raises(StorageUnavailable, match="memory does not answer: no answer"):
        catalogue.must_answer()


async def test_a_technology_that_is_away_or_slow_hides_and_delays_no_other() -> None:
    memory, moody = Memory(), Memory()
    declared(moody, Ranking("late"))
    reads = Moody(moody)
    catalogue = Catalogue({"memory": MemoryReads(memory), "moody": reads})
    reads.open.clear()
    declared(memory, Counters("new"))
    await catalogue.refresh(0.01)
    assert [item.title for item in catalogue.storages()] == ["memory/counters/new@1"]
    declared(memory, Counters("newer"))
    await catalogue.refresh(0.01)
    assert len(catalogue.storages()) == 2
    reads.open.set()
    await catalogue.refresh()
    assert [item.title for item in catalogue.storages()][2:] == ["moody/ranking/late@1"]


async def test_a_technology_whose_driver_is_missing_is_away_and_the_others_are_there() -> None:
    memory = Memory()
    declared(memory, Counters("clicks"))

    def open(name: str, address: str) -> Reads:
        if name == "redis":
            raise DriverMissing("redis needs the package 'redis': install millrace[redis].")
        return MemoryReads(memory)

    catalogue = Catalogue(Opening({"memory": "here", "redis": "there", "search": ""}, open))
    assert set(catalogue.health()) == {"memory", "redis"}
    await catalogue.refresh()
    assert [item.title for item in catalogue.storages()] == ["memory/counters/clicks@1"]
    assert "install millrace[redis]" in (catalogue.health()["redis"].error or "")


async def test_a_refresh_tells_of_what_was_there_before_it_began() -> None:
    memory = Memory()
    reads = Moody(memory)
    catalogue = Catalogue({"memory": reads})
    reads.open.clear()
    early = asyncio.create_task(catalogue.refresh())
    await asyncio.sleep(0)
    later = asyncio.create_task(catalogue.refresh())
    await asyncio.sleep(0)
    reads.open.set()
    declared(memory, Counters("clicks"))
    await asyncio.gather(early, later)
    assert catalogue.find("counters", "clicks").version == 1


def test_of_many_storages_a_message_names_those_whose_names_are_like_it() -> None:
    known = [
        *(f"redis/ranking/z{number}" for number in range(40)),
        "redis/ranking/popular",
        "search/vectors/populars",
    ]

    assert instead("populer", known) == (
        "did you mean redis/ranking/popular or search/vectors/populars? There are 42; `millrace storages` lists them."
    )
    assert instead("quite_else", known).startswith("none of the 42 that there are has a name like it")


async def test_a_version_that_is_not_there_is_answered_with_those_that_are() -> None:
    memory = Memory()
    for version in (1, 2):
        memory.declare(Ranking("popular").describe("popular", version, version, "clicks"))
    catalogue = await catalogue_of(memory=memory)

    with pytest.raises(StorageMissing, match=r"^memory/ranking/popular has no version @9; it has @1, @2\.$"):
        catalogue.find("ranking", "popular", 9)


async def test_what_is_being_loaded_is_said_to_be() -> None:
    memory = Memory()
    item = Ranking("popular").describe("load_popular", 1, 1, "")
    memory.declare(replace(item, state="filling"))
    catalogue = await catalogue_of(memory=memory)

    for version in (None, 1):
        with pytest.raises(StorageMissing, match=r"popular@1 is being loaded"):
            catalogue.find("ranking", "popular", version)


async def test_units_that_cannot_be_read_hide_no_storage_and_are_said_to_be_so() -> None:
    class Scribbled(MemoryReads):
        """Another program has written into the fences of the learner of version 2."""

        async def units(self, descriptor: Descriptor) -> list[UnitState]:
            if descriptor.version == 2:
                raise ValueError("invalid literal for int()")
            return await super().units(descriptor)

    memory = Memory()
    for version in (1, 2):
        declared(memory, Counters("clicks"), version)
        committed(memory, version, Writes())
    catalogue = Catalogue({"memory": Scribbled(memory)})
    await catalogue.refresh()
    assert [item.version for item in catalogue.storages()] == [1, 2]
    assert [len(units) for units in catalogue.states().values()] == [1, 0]
    assert catalogue.health()["memory"].error is None
    [said] = catalogue.damaged()
    assert said.startswith("It cannot be read how far memory/counters/clicks@2 is: ValueError: invalid literal")
