"""The service says which versions it reads, and again before that is forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

import pytest

from serving import leases as module
from serving.leases import Leases
from storage import Catalogue, Memory, MemoryReads, StorageUnavailable


async def told(leases: Leases, titles: set[str]) -> None:
    """Renew, and wait until that is through."""
    leases.renew(frozenset(titles))
    while leases._telling is not None and not leases._telling.done():
        await asyncio.sleep(0)


async def catalogue_of(reads: MemoryReads) -> Catalogue:
    catalogue = Catalogue({"memory": reads})
    await catalogue.refresh()
    return catalogue


async def test_a_lease_is_renewed_when_it_is_due_and_at_once_for_other_versions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    memory = Memory()
    leases = Leases(await catalogue_of(MemoryReads(memory)))
    await told(leases, {"memory/ranking/a@1"})
    first = memory.leases()["memory/ranking/a@1"]
    await told(leases, {"memory/ranking/a@1"})
    assert memory.leases() == {"memory/ranking/a@1": first}
    await told(leases, {"memory/ranking/a@1", "memory/ranking/a@2"})
    assert set(memory.leases()) == {"memory/ranking/a@1", "memory/ranking/a@2"}
    monkeypatch.setattr(module, "RENEWED", 0.0)
    await told(leases, {"memory/ranking/a@2"})
    await asyncio.sleep(0.002)
    await told(leases, {"memory/ranking/a@2"})
    assert memory.leases()["memory/ranking/a@2"] > first


async def test_who_may_only_read_says_so_in_the_log_once(caplog: pytest.LogCaptureFixture) -> None:
    class Strict(MemoryReads):
        asked = 0

        async def lease(self, titles: Collection[str], until_ms: int) -> None:
            self.asked += 1
            raise StorageUnavailable("no right to write")

    reads = Strict(Memory())
    leases = Leases(await catalogue_of(reads))
    for version in (1, 2, 3):
        await told(leases, {f"memory/ranking/a@{version}"})
    assert (reads.asked, caplog.text.count("no right to write")) == (3, 1)
