"""Rows that are served apart from the fence: the documents of a search engine.

No step covers them and the unit, so they are written first, each with its position as external version: a write that is
older than what is there loses, whoever sends it and whenever it arrives. When all are acknowledged the unit moves on by
a compare-and-set. Rows may be ahead of it, so that nothing is read back. (Cassandra's fold reads back what is served,
and so it moves the unit first: see `test_redo.py`.)

The engine shows what is not on its disk yet, and forgets it when a shard fails; what it acknowledges is there. A write
that it refuses, as something else is there, puts nothing on the disk, nor does a read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import pytest

from tests.protocols.explorer import fails, holds

Row = tuple[int, ...]
"""The events that a row has seen."""


class Write(NamedTuple):
    """A served row on its way; `by` is the owner that waits for it."""

    row: int
    version: int
    value: Row
    by: int


class Batch(NamedTuple):
    """The conditional move of a unit, on its way."""

    epoch: int
    owner: int
    expected: int
    new: int


class Unit(NamedTuple):
    """Fence and position: one document."""

    epoch: int = 0
    owner: int = 0
    next: int = 0

    def takes(self, batch: Batch) -> bool:
        """The condition."""
        return (self.epoch, self.owner, self.next) == (batch.epoch, batch.owner, batch.expected)


class Worker(NamedTuple):
    """A process on the unit; without an owner's token it has nothing in memory, as after a crash."""

    owner: int = 0
    seen: int = -1
    """The epoch that it has read and asked to follow."""
    epoch: int = 0
    next: int = 0
    sent: frozenset[Write] = frozenset()
    """Not acknowledged yet."""
    batch: Batch | None = None
    moving: bool = False
    """The batch has been sent."""


IDLE = Worker()


class World(NamedTuple):
    """Everything there is at one moment."""

    unit: Unit
    served: tuple[tuple[int, Row], ...]
    """Version and value of each row, as it is seen."""
    kept: tuple[tuple[int, Row], ...]
    """As it is on the disk."""
    workers: tuple[Worker, ...]
    writes: frozenset[Write] = frozenset()
    batches: frozenset[Batch] = frozenset()
    claims: frozenset[tuple[int, int]] = frozenset()
    """Owner, and the epoch that it follows."""
    owners: int = 0
    reached: int = 0
    """The highest position that a worker knows of."""
    kept_unit: Unit = Unit()
    """As it is on the disk."""
    forgot: int = 0
    """How often something was forgotten."""

    def of(self, old: Worker, new: Worker) -> World:
        """With a worker changed; in order of their tokens, as which process is which means nothing."""
        rest = list(self.workers)
        rest.remove(old)
        return self._replace(workers=tuple(sorted([*rest, new], key=lambda worker: worker.owner)))


@dataclass(frozen=True)
class Served:
    """The protocol; each flag that is False is a mistake.

    Attributes:
        versions: of two writes of a row that of the higher position stays, not the last to arrive.
        served_first: the unit moves after the served rows.
        acknowledged: it waits for them to be acknowledged.
        conditional: it moves by a compare-and-set.
        again: a row that is there in the same version is written all the same.
        helps: one that is there in a newer version is written as it is.
        touches: a move that is found to be applied is written again.
        forgets: how often the server may forget.
    """

    versions: bool = True
    served_first: bool = True
    acknowledged: bool = True
    conditional: bool = True
    again: bool = True
    helps: bool = True
    touches: bool = True
    forgets: int = 0
    rows: int = 2
    workers: int = 2
    owners: int = 2
    events: int = 3
    batch: int = 2

    @property
    def start(self) -> World:
        return World(Unit(), ((0, ()),) * self.rows, ((0, ()),) * self.rows, (IDLE,) * self.workers)

    def done(self, world: World) -> bool:
        return world.unit.next == self.events

    def wrong(self, world: World) -> str | None:
        if world.unit.next < world.reached:
            return f"the unit goes back from {world.reached} to {world.unit.next}"
        for number, (_, value) in enumerate(world.served):
            whole = self._fold(number, self.events)
            if value != whole[: len(value)]:
                return f"served row {number} shows {value}, which no fold passes through"
            if len(value) < len(self._fold(number, world.unit.next)):
                return f"served row {number} shows {value}, and lies behind the position {world.unit.next}"
        return None

    def _fold(self, row: int, end: int) -> Row:
        return tuple(event for event in range(end) if event % self.rows == row)

    def steps(self, world: World) -> Iterator[tuple[str, World]]:
        for step, following in self._steps(world):
            yield step, self._pruned(following)

    def _pruned(self, world: World) -> World:
        """Without requests that can change nothing any more, where versions, epochs and positions only grow."""
        if not self.versions or not self.conditional or self.forgets:
            return world
        awaited = {write for worker in world.workers for write in worker.sent}
        return world._replace(
            writes=frozenset(
                item for item in world.writes if item in awaited or item.version > world.served[item.row][0]
            ),
            batches=frozenset(
                item
                for item in world.batches
                if world.unit.takes(item) or any(item == worker.batch for worker in world.workers)
            ),
        )

    def _steps(self, world: World) -> Iterator[tuple[str, World]]:
        if world.forgot < self.forgets:
            yield from self._forgets(world._replace(forgot=world.forgot + 1))
        for worker in dict.fromkeys(world.workers):
            yield from self._acts(world, worker)
            if worker is not IDLE:
                yield f"{worker.owner} crashes", world.of(worker, IDLE)
        for claim in world.claims:
            yield from self._claim_arrives(world._replace(claims=world.claims - {claim}), *claim)
        for write in world.writes:
            yield from self._write_arrives(world._replace(writes=world.writes - {write}), write)
        for batch in world.batches:
            yield from self._batch_arrives(world._replace(batches=world.batches - {batch}), batch)

    def _forgets(self, world: World) -> Iterator[tuple[str, World]]:
        """The rows are in one shard, the units in another."""
        if world.served != world.kept:
            yield "rows are forgotten", world._replace(served=world.kept)
        if world.unit != world.kept_unit:
            yield "the unit is forgotten", world._replace(unit=world.kept_unit)

    def _acts(self, world: World, worker: Worker) -> Iterator[tuple[str, World]]:
        if worker == IDLE:
            if world.owners < self.owners:
                owner, epoch = world.owners + 1, world.unit.epoch
                asked = world.of(worker, Worker(owner, epoch))._replace(owners=owner)
                claims = world.claims | {(owner, epoch)}
                yield f"{owner} reads the epoch {epoch} and asks to follow", asked._replace(claims=claims)
        elif not worker.epoch:
            if world.unit.owner == worker.owner:  # no reply came, and a serial read says whose it is
                mine = worker._replace(epoch=world.unit.epoch, next=world.unit.next)
                yield f"{worker.owner} finds its claim", world.of(worker, mine)
        elif worker.batch is None:
            yield from self._fold_batch(world, worker)
        elif worker.moving:
            yield from self._unknown(world, worker, worker.batch)
        elif not worker.sent or not self.acknowledged:
            sent = world.of(worker, worker._replace(moving=True))
            yield f"{worker.owner} moves the unit", sent._replace(batches=world.batches | {worker.batch})
        else:
            for write in worker.sent - world.writes:
                yield f"{worker.owner} sends {write.value} again", world._replace(writes=world.writes | {write})

    def _fold_batch(self, world: World, worker: Worker) -> Iterator[tuple[str, World]]:
        for new in range(worker.next + 1, min(worker.next + self.batch, self.events) + 1):
            changed = sorted({event % self.rows for event in range(worker.next, new)})
            writes = frozenset(Write(number, new, self._fold(number, new), worker.owner) for number in changed)
            batch = Batch(worker.epoch, worker.owner, worker.next, new)
            after = worker._replace(sent=writes, batch=batch)
            what = f"{worker.owner} folds {worker.next}->{new}"
            if self.served_first:
                yield f"{what} and sends its rows", world.of(worker, after)._replace(writes=world.writes | writes)
            else:
                sent = world.of(worker, after._replace(moving=True))
                yield f"{what} and moves the unit", sent._replace(batches=world.batches | {batch})

    def _unknown(self, world: World, worker: Worker, batch: Batch) -> Iterator[tuple[str, World]]:
        """No reply came: a serial read says what became of the batch, or it is sent again."""
        unit = world.unit
        if unit.owner != worker.owner:
            yield f"{worker.owner} finds itself fenced", world.of(worker, IDLE)
        elif unit.next == batch.new:
            found = world._replace(kept_unit=unit) if self.touches else world
            yield f"{worker.owner} finds its batch applied", self._moved(found, worker, batch)
        elif batch not in world.batches:
            yield f"{worker.owner} sends the same batch again", world._replace(batches=world.batches | {batch})

    def _moved(self, world: World, worker: Worker, batch: Batch) -> World:
        writes = frozenset() if self.served_first else worker.sent
        after = worker._replace(next=batch.new, sent=frozenset(), batch=None, moving=False)
        reached = max(world.reached, batch.new)
        return world.of(worker, after)._replace(writes=world.writes | writes, reached=reached)

    def _claim_arrives(self, world: World, owner: int, epoch: int) -> Iterator[tuple[str, World]]:
        if world.unit.epoch != epoch:
            yield f"the claim of {owner} comes too late", world
            return
        claimed = world._replace(unit=world.unit._replace(epoch=epoch + 1, owner=owner))
        yield f"the claim of {owner} arrives", claimed

    def _write_arrives(self, world: World, write: Write) -> Iterator[tuple[str, World]]:
        there = world.served[write.row][0]
        written = not self.versions or write.version > there or (self.again and write.version == there)
        arrived = _with(world, write.row, (write.version, write.value)) if written else world
        what = f"{write.value} of {write.by} arrives at row {write.row}"
        yield f"{what}, and the reply is lost", arrived
        acknowledged = _kept(arrived, write.row) if written or (self.helps and write.version < there) else arrived
        for worker in world.workers:
            if write in worker.sent:
                yield what, acknowledged.of(worker, worker._replace(sent=worker.sent - {write}))

    def _batch_arrives(self, world: World, batch: Batch) -> Iterator[tuple[str, World]]:
        what = f"the move {batch.expected}->{batch.new} of {batch.owner} arrives"
        if world.unit.takes(batch) or not self.conditional:
            yield what, world._replace(unit=world.unit._replace(next=batch.new))
        else:
            yield f"{what} and is refused", world


def _with(world: World, row: int, written: tuple[int, Row]) -> World:
    served = list(world.served)
    served[row] = written
    return world._replace(served=tuple(served))


def _kept(world: World, row: int) -> World:
    kept = list(world.kept)
    kept[row] = world.served[row]
    return world._replace(kept=tuple(kept))


@pytest.mark.parametrize(
    "protocol",
    [
        pytest.param(Served(), id="two workers"),
        pytest.param(Served(workers=3, owners=3, events=2), id="three workers"),
        pytest.param(Served(forgets=1), id="a server that forgets"),
    ],
)
def test_served_rows_are_never_behind_the_position_nor_anything_but_a_fold(protocol: Served) -> None:
    print(holds(protocol))


@pytest.mark.parametrize(
    "mistake",
    [
        pytest.param(Served(served_first=False), id="the unit before its rows"),
        pytest.param(Served(acknowledged=False), id="rows that are not acknowledged"),
        pytest.param(Served(conditional=False), id="an unconditional move"),
        pytest.param(Served(versions=False), id="documents without a version"),
        pytest.param(Served(forgets=1, again=False), id="a version that is there is not written again"),
        pytest.param(Served(forgets=1, rows=1, helps=False), id="a newer version is not written again"),
        pytest.param(Served(forgets=1, touches=False), id="a move that was seen is not written again"),
    ],
)
def test_without_one_of_its_rules_it_fails(mistake: Served) -> None:
    fails(mistake)
