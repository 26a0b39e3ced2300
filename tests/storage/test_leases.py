"""What a catalogue's readers read is leased before they read it, and no longer than there are readers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from types import SimpleNamespace

import pytest

from storage import (
    Catalogue,
    Counters,
    CountersReader,
    Descriptor,
    Memory,
    MemoryReads,
    StorageMissing,
    StorageUnavailable,
)
from storage import section as module
from storage.listed import Listed
from storage.technology import Technology

ONE, TWO = "memory/counters/clicks@1", "memory/counters/clicks@2"


class Strict(MemoryReads):
    """Refuses leases, for as long as it is told to.

    Attributes:
        calls: what was asked, in order.
    """

    def __init__(self, memory: Memory) -> None:
        super().__init__(memory)
        self.refuses = False
        self.calls: list[str] = []

    async def listed(self) -> Listed:
        self.calls.append("listed")
        await asyncio.sleep(0)
        return await super().listed()

    async def lease(self, titles: Collection[str], until_ms: int) -> None:
        self.calls.append("lease")
        if self.refuses:
            raise StorageUnavailable("no right to write")
        await super().lease(titles, until_ms)

    async def sums(self, descriptor: Descriptor, keys: Collection[str]) -> list[dict[str, int]]:
        self.calls.append(descriptor.title)
        return await super().sums(descriptor, list(keys))


class Clock:
    """Seconds, as `section` has them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_000.0
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: self.now, time=time.time))


def declared(technology: Technology, version: int, name: str = "clicks") -> None:
    item = Counters(name, technology="memory").describe("load", version, version, "")
    technology.switch([technology.declare(item)])


@pytest.fixture
def memory() -> Memory:
    made = Memory()
    declared(made, 1)
    return made


async def test_who_only_looks_around_leases_nothing(memory: Memory) -> None:
    catalogue = Catalogue({"memory": MemoryReads(memory)})
    await catalogue.refresh()
    assert catalogue.find("counters", "clicks").title == ONE
    assert memory.leases() == {}


async def test_of_two_storages_of_one_name_the_one_that_is_read_is_leased(memory: Memory) -> None:
    other = Memory()
    declared(other, 1)
    catalogue = Catalogue({"memory": MemoryReads(memory), "other": MemoryReads(other)}, {"clicks": "memory"})
    await catalogue.refresh()
    reader = catalogue.reader(CountersReader, "clicks")
    await catalogue.refresh()
    assert (set(memory.leases()), other.leases()) == ({ONE}, {})
    catalogue.place({"clicks": "other"})
    await reader.get("k")
    assert set(other.leases()) == {"other/counters/clicks@1"}


async def test_the_first_reads_wait_for_one_lease_and_one_more_look(memory: Memory) -> None:
    reads = Strict(memory)
    catalogue = Catalogue({"memory": reads})
    await catalogue.refresh()
    readers = [catalogue.reader(CountersReader, "clicks") for _ in range(3)]
    await asyncio.gather(*(reader.get("k") for reader in readers))
    assert reads.calls == ["listed", "listed", "lease", "listed", ONE, ONE, ONE]
    await readers[0].get("k")
    assert reads.calls[7:] == [ONE]


async def test_what_is_held_beforehand_is_read_at_once(memory: Memory) -> None:
    reads = Strict(memory)
    catalogue = Catalogue({"memory": reads})
    await catalogue.refresh()
    reader = catalogue.reader(CountersReader, "clicks")
    await catalogue.hold()
    before = list(reads.calls)
    await reader.get("k")
    assert reads.calls == [*before, ONE]
    await catalogue.hold()
    assert reads.calls == [*before, ONE], "nobody has begun to read anything"


async def test_a_lease_is_renewed_when_it_is_due_and_ends_with_the_last_reader(
    memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, reads = Clock(monkeypatch), Strict(memory)
    catalogue = Catalogue({"memory": reads})
    await catalogue.refresh()
    reader: CountersReader | None = catalogue.reader(CountersReader, "clicks")
    await catalogue.refresh()
    for clock.now, leased in ((1_019.0, 1), (1_021.0, 2), (1_022.0, 2), (1_042.0, 3)):
        await catalogue.refresh()
        assert reads.calls.count("lease") == leased
    del reader
    clock.now = 2_000.0
    await catalogue.refresh()
    assert reads.calls.count("lease") == 3


async def test_what_could_not_be_leased_for_so_long_that_it_may_be_gone_is_looked_at_again(
    memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, reads = Clock(monkeypatch), Strict(memory)
    catalogue = Catalogue({"memory": reads})
    await catalogue.refresh()
    reader = catalogue.reader(CountersReader, "clicks")
    await reader.get("k")
    reads.calls.clear()
    clock.now += module.LEASED + 1
    await catalogue.refresh()
    assert reads.calls == ["listed", "lease", "listed"]


async def test_who_cannot_lease_a_new_version_stays_with_the_old_one_while_that_is_leased(
    memory: Memory, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clock, reads = Clock(monkeypatch), Strict(memory)
    catalogue = Catalogue({"memory": reads})
    await catalogue.refresh()
    reader = catalogue.reader(CountersReader, "clicks")
    await reader.get("k")
    declared(memory, 2)
    reads.refuses = True
    await catalogue.refresh()
    await reader.get("k")
    assert reads.calls[-1] == ONE
    assert catalogue.health()["memory"].error == "no right to write"
    clock.now += module.LEASED + 1
    for _ in range(2):
        await catalogue.refresh()
    await reader.get("k")
    assert reads.calls[-1] == TWO, "the old one may be gone by now"
    assert caplog.text.count("memory does not keep what is read here from being collected: no right to write") == 1


async def test_who_may_only_read_reads(memory: Memory, caplog: pytest.LogCaptureFixture) -> None:
    reads = Strict(memory)
    reads.refuses = True
    catalogue = Catalogue({"memory": reads})
    await catalogue.refresh()
    assert await catalogue.reader(CountersReader, "clicks").get("k") == {}
    assert (reads.calls[-1], caplog.text.count("no right to write")) == (ONE, 1)


async def test_a_version_that_was_removed_before_its_first_read_is_missing_and_the_next_read_finds_the_other(
    memory: Memory,
) -> None:
    reads = Strict(memory)
    catalogue = Catalogue({"memory": reads})
    await catalogue.refresh()
    reader = catalogue.reader(CountersReader, "clicks")
    [one] = memory.storages()
    declared(memory, 2)
    memory.erase(one)
    with pytest.raises(StorageMissing, match=f"{ONE} was removed a moment ago; ask again"):
        await reader.get("k")
    await reader.get("k")
    assert reads.calls[-1] == TWO


async def test_while_nobody_can_tell_what_is_there_the_first_read_says_so(memory: Memory) -> None:
    class Away(Strict):
        async def listed(self) -> Listed:
            if self.refuses:
                raise StorageUnavailable("gone for lunch")
            return await super().listed()

    reads = Away(memory)
    catalogue = Catalogue({"memory": reads})
    await catalogue.refresh()
    reader = catalogue.reader(CountersReader, "clicks")
    reads.refuses = True
    with pytest.raises(StorageUnavailable, match="memory does not answer: gone for lunch"):
        await reader.get("k", fresh=True)
    assert ONE not in reads.calls
