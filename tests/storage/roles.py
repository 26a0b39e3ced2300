"""Everything that the two sides of a technology can be asked for, so that a role that lacks a right is found out."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from storage.address import Address
from storage.alias import Name
from storage.descriptor import Descriptor
from storage.kinds import KINDS
from storage.technology import Gone, Reads, Technology
from storage.unit import Outcome
from storage.writes import Writes
from tests.contracts.model import COUNTS, PLACES, RECORDS, STORAGES, TREND, storage, unit

WRITING = {name for name in dir(Technology) if not name.startswith("_")} - {"name"}
READING = {name for name in dir(Reads) if not name.startswith("_")} - {"nearest", "search"}
"""How these two are looked for differs by technology; what they may look at does not."""
SUMMED = {"sums", "some_sums", "top", "scores"}
"""What nothing is asked by where a technology adds nothing up."""


class Asked:
    """Passes calls on to one side of a technology, and notes which there were."""

    def __init__(self, side: object) -> None:
        self._side = side
        self.names: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        self.names.add(name)
        return getattr(self._side, name)


def do_everything(technology: Technology, names: Sequence[str] = STORAGES) -> dict[str, Descriptor]:
    """Each method of the writing side at least once; leaves the storages of `names`, which it can hold, by name."""
    asked = Asked(technology)
    side: Technology = asked
    made = {name: side.declare(storage(name, technology=technology.name)) for name in names}
    claim = side.claim(unit(), "a")
    assert side.commit(claim, None, 1, everything(names), 5) is Outcome.OK
    reads_back = "load" not in KINDS[technology.name].lacks
    assert side.read(claim, 1, [Address(RECORDS, "k")] * reads_back) == [b"x"] * reads_back
    one = COUNTS if COUNTS in made else RECORDS
    loaded = side.declare(storage(one, "", 2, technology=technology.name, state="filling", writer="", topic=""))
    side.fill(loaded, everything([one]))
    changed = storage(one, "", 2, technology=technology.name, writer="", topic="", state="deleting")
    assert side.alter(loaded, changed)
    side.erase(changed)
    side.point(list(made.values()))
    side.switch(list(made.values()))
    decaying = made.get(TREND, made[one])
    side.trim(decaying, 3)
    assert side.commit(claim, 1, 2, Writes(sums=_of(names, {Address(COUNTS, "a"): {"x": 1}})), 5) is Outcome.OK
    gone: dict[str, Gone] = {
        RECORDS: {Address(RECORDS, "z"): None},
        TREND: {Address(TREND, "k", 3): {"z"}},
        PLACES: {Address(PLACES, "k"): {"z"}},
    }
    for name in {COUNTS, *gone} & {*made}:
        side.remove(made[name], claim, gone.get(name, {Address(COUNTS, "a"): {"z"}}))
    side.expire(made[one], "b")
    assert side.newest(decaying).at_ms == (5 if TREND in made else None)
    assert side.aliases()[_name(made[one])].version == 1
    assert [item.title for item in side.storages()] == sorted(item.title for item in made.values())
    assert [state.next for state in side.units(made[one])] == [2]
    for name, descriptor in made.items():
        assert [address.storage for address, _ in side.dump(descriptor)] == [name]
    assert side.leases().keys() <= {descriptor.title for descriptor in made.values()}
    side.release(["any/records/gone@1"])
    assert side.damaged() == []
    assert not side.discard("storage", "records/gone@1")
    asked.names.add("close")  # by whoever opened it
    assert asked.names == WRITING
    return made


def everything(names: Sequence[str] = STORAGES) -> Writes:
    """A write of each kind that these storages hold."""
    return Writes(
        puts=_of(names, {Address(RECORDS, "k"): b"x"}),
        sums=_of(names, {Address(COUNTS, "k"): {"x": 1}}),
        scores=_of(names, {Address(TREND, "k", 3): {"x": 1.0}}),
        ranks=_of(names, {Address(PLACES, "k"): {"x": 1.0}}),
        newest={name: at_ms for name, at_ms in {TREND: 5}.items() if name in names},
    )


async def read_everything(reads: Reads, made: Mapping[str, Descriptor]) -> None:
    """Each method of the reading side, over what `do_everything` has left."""
    asked = Asked(reads)
    side: Reads = asked
    assert len((await side.listed()).sorted()) == len((await side.listed()).aliases) == len(made)
    assert not (await side.listed()).damaged
    one = made.get(COUNTS, made[RECORDS])
    await side.lease([one.title], int(time.time() * 1000) + 60_000)
    assert [state.next for state in await side.units(one)] == [2]
    assert await side.rows(made[RECORDS], ["k"]) == [b"x"]
    if COUNTS in made:
        await _read_sums(side, made)
    else:
        asked.names.update(SUMMED)
    for descriptor in made.values():
        assert await side.keys(descriptor, 5) == ["k"]
        await side.count(descriptor)
        await side.size(descriptor)
    asked.names.add("close")
    assert asked.names == READING


async def _read_sums(side: Reads, made: Mapping[str, Descriptor]) -> None:
    assert await side.sums(made[COUNTS], ["k"]) == [{"x": 1}]
    assert await side.some_sums(made[COUNTS], "k", 5) == {"x": 1}
    newest, top = await side.top(made[TREND], [Address(TREND, "k", 3)], 5)
    assert (newest.bucket, top) == (3, [[("x", 1.0)]])
    assert (await side.scores(made[PLACES], [(Address(PLACES, "k"), ["x"])]))[1] == [[1.0]]


def _of(names: Sequence[str], rows: dict[Address, Any]) -> dict[Address, Any]:
    return {address: row for address, row in rows.items() if address.storage in names}


def _name(descriptor: Descriptor) -> Name:
    return descriptor.format, descriptor.name
