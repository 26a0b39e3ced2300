"""How old the events behind an answer are."""

from __future__ import annotations

from datetime import timedelta

from serving.provenance import NEVER, Provenance
from storage import Catalogue, Descriptor, MemoryReads, StorageUnavailable, UnitState
from tests.serving.shop import NOON, Shop

POPULAR, NEAR = "memory/ranking/popular@1", "memory/ranking/near@1"


async def sampled(shop: Shop) -> Provenance:
    provenance = Provenance(shop.catalogue)
    await shop.catalogue.refresh()
    provenance.sample()
    return provenance


async def test_an_answer_is_as_old_as_the_oldest_of_the_storages_behind_it() -> None:
    shop = Shop()
    for name, minutes in (("popular", 0), ("near", -5)):
        shop.learner(name)
        shop.learned(NOON + timedelta(minutes=minutes), name, a=1.0)
    provenance = await sampled(shop)

    assert provenance.of((POPULAR,)).at == NOON
    assert provenance.of((POPULAR, NEAR)).at == NOON - timedelta(minutes=5)
    assert provenance.of((POPULAR,)).lines == b"millrace-as-of: 2026-11-24T12:00:00.000Z\r\n"


async def test_what_has_no_event_time_makes_nothing_older() -> None:
    shop = Shop()
    shop.learner("popular")
    shop.learned(a=1.0)
    shop.learner("near")
    provenance = await sampled(shop)
    assert provenance.of((POPULAR, NEAR)).at == NOON
    assert provenance.of((NEAR,)) == provenance.of(()) == provenance.of(("nothing",)) == NEVER


async def test_it_is_of_the_newest_sample() -> None:
    shop = Shop()
    shop.learner("popular")
    shop.learned(a=1.0)
    provenance = await sampled(shop)
    shop.learned(NOON + timedelta(seconds=1), a=1.0)
    assert provenance.of((POPULAR,)).at == NOON
    await shop.catalogue.refresh()
    provenance.sample()
    assert provenance.of((POPULAR,)).at == NOON + timedelta(seconds=1)


async def test_a_sample_that_fails_leaves_the_older_one_which_promises_less() -> None:
    class Flaky(MemoryReads):
        away = False

        async def units(self, descriptor: Descriptor) -> list[UnitState]:
            if self.away:
                raise StorageUnavailable("away")
            return await super().units(descriptor)

    shop = Shop()
    reads = Flaky(shop.memory)
    shop.catalogue = Catalogue({"memory": reads})
    shop.learner("popular")
    shop.learned(a=1.0)
    provenance = await sampled(shop)
    reads.away = True
    shop.learned(NOON + timedelta(seconds=1), a=1.0)
    await shop.catalogue.refresh()
    provenance.sample()
    assert provenance.of((POPULAR,)).at == NOON
