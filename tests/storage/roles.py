"""Everything that the two sides of a technology can be asked for, so that a role that lacks a right is found out."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from storage.address import Address
from storage.alias import Name
from storage.descriptor import Descriptor
from storage.technology import Reads, Technology
from storage.unit import Outcome
from storage.writes import Writes
from tests.contracts.model import COUNTS, PLACES, RECORDS, STORAGES, TREND, storage, unit

WRITING = {name for name in dir(Technology) if not name.startswith("_")} - {"name"}
READING = {name for name in dir(Reads) if not name.startswith("_")} - {"nearest", "search"}
"""How these two are looked for differs by technology; what they may look at does not."""


class Asked:
    """Passes calls on to one side of a technology, and notes which there were."""

    def __init__(self, side: object) -> None:
        self._side = side
        self.names: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        self.names.add(name)
        return getattr(self._side, name)


def do_everything(technology: Technology) -> dict[str, Descriptor]:
    """Each method of the writing side at least once; leaves the storages of `everything`, by name."""
    asked = Asked(technology)
    side: Technology = asked
    made = {name: side.declare(storage(name, technology=technology.name)) for name in STORAGES}
    claim = side.claim(unit(), "a")
    assert side.commit(claim, None, 1, everything(), 5) is Outcome.OK
    assert side.read(claim, 1, [Address(RECORDS, "k")]) == [b"x"]
    loaded = side.declare(storage(COUNTS, "", 2, technology=technology.name, state="filling", writer="", topic=""))
    side.fill(loaded, Writes(sums={Address(COUNTS, "k"): {"x": 2}}))
    changed = storage(COUNTS, "", 2, technology=technology.name, writer="", topic="", state="deleting")
    assert side.alter(loaded, changed)
    side.erase(changed)
    side.point(list(made.values()))
    side.switch(list(made.values()))
    side.trim(made[TREND], 3)
    assert side.aliases()[_name(made[COUNTS])].version == 1
    assert [item.title for item in side.storages()] == sorted(item.title for item in made.values())
    assert [state.next for state in side.units(made[COUNTS])] == [1]
    assert side.newest(made[TREND]).at_ms == 5
    assert dict(side.dump(made[COUNTS])) == {Address(COUNTS, "k"): {"x": 1}}
    side.leases()
    asked.names.add("close")  # by whoever opened it
    assert asked.names == WRITING
    return made


def everything() -> Writes:
    """A write of each kind."""
    return Writes(
        puts={Address(RECORDS, "k"): b"x"},
        sums={Address(COUNTS, "k"): {"x": 1}},
        scores={Address(TREND, "k", 3): {"x": 1.0}},
        ranks={Address(PLACES, "k"): {"x": 1.0}},
        newest={TREND: 5},
    )


async def read_everything(reads: Reads, made: Mapping[str, Descriptor]) -> None:
    """Each method of the reading side, over what `do_everything` has left."""
    asked = Asked(reads)
    side: Reads = asked
    assert len(await side.catalogue()) == len(await side.aliases()) == len(made)
    await side.lease([made[COUNTS].title], int(time.time() * 1000) + 60_000)
    assert [state.next for state in await side.units(made[COUNTS])] == [1]
    assert await side.rows(made[RECORDS], ["k"]) == [b"x"]
    assert await side.sums(made[COUNTS], ["k"]) == [{"x": 1}]
    newest, top = await side.top(made[TREND], [Address(TREND, "k", 3)], 5)
    assert (newest.bucket, top) == (3, [[("x", 1.0)]])
    assert (await side.scores(made[PLACES], [(Address(PLACES, "k"), ["x"])]))[1] == [[1.0]]
    for descriptor in made.values():
        assert await side.keys(descriptor, 5) == ["k"]
        await side.count(descriptor)
        await side.size(descriptor)
    asked.names.add("close")
    assert asked.names == READING


def _name(descriptor: Descriptor) -> Name:
    return descriptor.format, descriptor.name
