"""Leases: readers follow a name from version to version while collectors remove those that it has left.

A reader looks where the name leads, leases that version, looks again, and only then reads it. A collector looks around,
marks a version, looks at leases and name again, and then takes the mark back, or decides and erases it. Anybody may die
at any step: a mark that is left behind is taken back, and what was decided is gone on with. A lease ends when nobody
renews it; that takes longer than any look or request. What nobody goes on with counts as left behind only when readers
have long seen it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import pytest

from tests.protocols.explorer import fails, holds

READY, MARKED, DECIDED, ERASING, GONE = "ready", "marked", "to be erased", "being erased", "gone"
LOOKED, LEASED = "has looked", "has leased"


class Reader(NamedTuple):
    """A service: the version that its readers read, the one that it goes to and how far it is, what a request reads."""

    held: int = 0
    next: int = 0
    stage: str = ""
    asking: int = 0


class Collector(NamedTuple):
    """It removes a version: found is what it saw, marked what it marked itself, doomed what it goes on to erase."""

    found: int = 0
    marked: int = 0
    doomed: int = 0


class World(NamedTuple):
    """Everything there is at one moment; versions count from 1, and 0 is none."""

    states: tuple[str, ...]
    name: int
    readers: tuple[Reader, ...]
    collectors: tuple[Collector, ...]
    leases: frozenset[int] = frozenset()
    moves: int = 0

    def state(self, version: int) -> str:
        return self.states[version - 1]

    def to(self, version: int, state: str) -> World:
        """With a version in another state."""
        return self._replace(states=(*self.states[: version - 1], state, *self.states[version:]))

    def reads(self, old: Reader, new: Reader) -> World:
        """With a reader changed; which is which means nothing."""
        rest = list(self.readers)
        rest.remove(old)
        return self._replace(readers=tuple(sorted([*rest, new])))

    def collects(self, old: Collector, new: Collector) -> World:
        """With a collector changed."""
        rest = list(self.collectors)
        rest.remove(old)
        return self._replace(collectors=tuple(sorted([*rest, new])))

    def uses(self, version: int) -> bool:
        """Whether a reader renews its lease, has only just taken it, or a request began while it did."""
        return any(
            version in (reader.held, reader.asking, reader.next if reader.stage == LEASED else 0)
            for reader in self.readers
        )


@dataclass(frozen=True)
class Leases:
    """The protocol; each flag that is False is a mistake.

    Attributes:
        leases: a version is leased before it is read; otherwise while it is, as by a task in the background.
        looks_again: a reader looks again when it has leased.
        marks_first: a collector marks before it looks at the leases; otherwise it goes by what it saw before.
        decides: a collector says, after its second look, that it erases; otherwise its mark alone says so.
        renews: what is read stays leased.
    """

    leases: bool = True
    looks_again: bool = True
    marks_first: bool = True
    decides: bool = True
    renews: bool = True
    versions: int = 2
    readers: int = 1
    collectors: int = 2
    moves: int = 3

    @property
    def start(self) -> World:
        states, idle = (READY,) * self.versions, Reader()
        return World(states, 1, (idle,) * self.readers, (Collector(),) * self.collectors)

    def done(self, world: World) -> bool:
        return world.state(1) == GONE and all(reader.asking == world.name for reader in world.readers)

    def wrong(self, world: World) -> str | None:
        for reader in world.readers:
            if reader.asking and world.state(reader.asking) in (ERASING, GONE):
                return f"a request reads @{reader.asking}, and finds nothing: it is {world.state(reader.asking)}"
        if world.state(world.name) in (ERASING, GONE):
            return f"the name stands for @{world.name}, which is {world.state(world.name)}"
        return None

    def steps(self, world: World) -> Iterator[tuple[str, World]]:
        for reader in dict.fromkeys(world.readers):
            yield from self._reader(world, reader)
        for collector in dict.fromkeys(world.collectors):
            yield from self._collector(world, collector)
        for version in range(1, self.versions + 1):
            if world.moves < self.moves and version != world.name and world.state(version) == READY:
                yield f"the name moves to @{version}", world._replace(name=version, moves=world.moves + 1)
            if version in world.leases and not (self.renews and world.uses(version)):
                yield f"the lease of @{version} ends", world._replace(leases=world.leases - {version})

    def _reader(self, world: World, reader: Reader) -> Iterator[tuple[str, World]]:
        yield "the service dies, and starts again", world.reads(reader, Reader())
        if reader.held and not reader.asking:
            yield f"a request reads @{reader.held}", world.reads(reader, reader._replace(asking=reader.held))
        if reader.asking:
            yield f"the request has read @{reader.asking}", world.reads(reader, reader._replace(asking=0))
        leads = world.name if world.state(world.name) == READY else 0
        if reader.stage == "":
            looked = reader._replace(held=reader.held if leads else 0, next=leads, stage=LOOKED if leads else "")
            yield f"a look: the name leads to @{leads}", world.reads(reader, self._after(looked, LOOKED))
        elif reader.stage == LOOKED:
            leased = world._replace(leases=world.leases | {reader.next})
            yield f"@{reader.next} is leased", leased.reads(reader, self._after(reader._replace(stage=LEASED), LEASED))
        elif leads == reader.next:
            yield f"@{leads} is seen again", world.reads(reader, reader._replace(held=leads, next=0, stage=""))
        else:
            again = reader._replace(held=reader.held if leads else 0, next=leads, stage=LOOKED if leads else "")
            yield f"another look: the name leads to @{leads}", world.reads(reader, again)

    def _after(self, reader: Reader, stage: str) -> Reader:
        """A reader that makes a mistake reads too early."""
        if not reader.next or (self.leases and (self.looks_again or stage == LOOKED)):
            return reader
        stays = stage == LOOKED  # what it reads already is leased later
        return reader._replace(held=reader.next, next=reader.next if stays else 0, stage=LOOKED if stays else "")

    def _collector(self, world: World, collector: Collector) -> Iterator[tuple[str, World]]:
        if any(collector):
            yield "the collector dies", world.collects(collector, Collector())
        if collector.doomed:
            version = collector.doomed
            if world.state(version) == ERASING:
                gone = world.to(version, GONE)._replace(leases=world.leases - {version})
                yield f"@{version} is gone", gone.collects(collector, Collector())
            else:
                yield f"@{version} begins to be erased", world.to(version, ERASING)
        elif collector.marked:
            yield self._looks_again(world, collector, collector.marked)
        elif collector.found:
            version, idle = collector.found, world.collects(collector, Collector())
            if world.state(version) == READY:
                yield f"@{version} is marked", world.to(version, MARKED).collects(collector, Collector(marked=version))
            else:
                yield f"@{version} has changed since", idle
        else:
            yield from self._looks_around(world, collector)

    def _looks_again(self, world: World, collector: Collector, version: int) -> tuple[str, World]:
        idle = world.collects(collector, Collector())
        if world.state(version) != MARKED:
            return f"another has changed @{version}", idle
        if not self.marks_first or (version != world.name and version not in world.leases):
            doomed = world.collects(collector, Collector(doomed=version))
            return f"nobody reads @{version}", doomed.to(version, DECIDED) if self.decides else doomed
        return f"the mark of @{version} is taken back", idle.to(version, READY)

    def _looks_around(self, world: World, collector: Collector) -> Iterator[tuple[str, World]]:
        for version in range(1, self.versions + 1):
            state = world.state(version)
            if state == READY and version < world.name and version not in world.leases:
                yield f"@{version} may go", world.collects(collector, Collector(found=version))
            if state == MARKED and self.decides and self._is_left(world, version):
                yield f"the mark of @{version} was left behind, and is taken back", world.to(version, READY)
            elif state in (MARKED, DECIDED, ERASING) and self._is_left(world, version):
                yield f"@{version} was left behind", world.collects(collector, Collector(doomed=version))

    def _is_left(self, world: World, version: int) -> bool:
        """Whether a mark is so old that its collector is dead, and every reader has seen it."""
        owned = any(version in collector for collector in world.collectors)
        aimed = any(version in reader for reader in world.readers)
        return not owned and not aimed


@pytest.mark.parametrize(
    "protocol",
    [
        pytest.param(Leases(), id="two collectors"),
        pytest.param(Leases(readers=2, collectors=1), id="two services"),
        pytest.param(Leases(versions=3, collectors=1), id="three versions"),
    ],
)
def test_no_request_reads_a_version_that_is_erased(protocol: Leases) -> None:
    print(holds(protocol))


@pytest.mark.parametrize(
    "mistake",
    [
        pytest.param(Leases(leases=False), id="leased while it is read"),
        pytest.param(Leases(looks_again=False), id="read as soon as it is leased"),
        pytest.param(Leases(marks_first=False), id="leases looked at before the mark"),
        pytest.param(Leases(decides=False), id="a mark that is left behind taken for a decision"),
        pytest.param(Leases(renews=False), id="not renewed"),
    ],
)
def test_without_one_of_its_rules_it_fails(mistake: Leases) -> None:
    fails(mistake)
