"""Rows that are served apart from the fence: Cassandra's served rows, and the documents of a search engine.

No batch covers them and the unit, so they are written first, each with its position as timestamp or external version: a
write that is older than what is there loses, whoever sends it and whenever it arrives. When all are acknowledged the
unit moves on by a compare-and-set, in one batch with the rows that the fold reads back, where there are any. What the
fold knows of a row's past comes from those ("state"), or from the served rows themselves, where a row depends only on
its own past ("cells"), or it needs none ("events": all that a search engine is trusted with).
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
    """The conditional move of a unit, with its state rows, on its way."""

    epoch: int
    owner: int
    expected: int
    new: int
    rows: tuple[tuple[int, Row], ...]
    """Those that it changes."""


class Unit(NamedTuple):
    """Fence, position and state rows: one partition of the state table, or one document."""

    epoch: int = 0
    owner: int = 0
    next: int = 0
    rows: tuple[Row, ...] = ()

    def takes(self, batch: Batch) -> bool:
        """The condition."""
        return (self.epoch, self.owner, self.next) == (batch.epoch, batch.owner, batch.expected)

    def after(self, batch: Batch) -> Unit:
        """Rows and position after a batch."""
        changed = dict(batch.rows)
        rows = tuple(changed.get(number, row) for number, row in enumerate(self.rows))
        return self._replace(next=batch.new, rows=rows)


class Worker(NamedTuple):
    """A process on the unit; without an owner's token it has nothing in memory, as after a crash."""

    owner: int = 0
    seen: int = -1
    """The epoch that it has read and asked to follow."""
    epoch: int = 0
    next: int = 0
    rows: tuple[tuple[int, Row], ...] = ()
    """What it has loaded, in order: up to which version each row has been folded, and the row."""
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
    """Version and value of each row."""
    workers: tuple[Worker, ...]
    writes: frozenset[Write] = frozenset()
    batches: frozenset[Batch] = frozenset()
    claims: frozenset[tuple[int, int]] = frozenset()
    """Owner, and the epoch that it follows."""
    owners: int = 0

    def of(self, old: Worker, new: Worker) -> World:
        """With a worker changed; in order of their tokens, as which process is which means nothing."""
        rest = list(self.workers)
        rest.remove(old)
        return self._replace(workers=tuple(sorted([*rest, new], key=lambda worker: worker.owner)))


@dataclass(frozen=True)
class Served:
    """The protocol; each flag that is False, or another word, is a mistake.

    Attributes:
        past: where a fold knows of a row's past from: "state", "cells" or "events".
        version: of a served row: its "position", "epoch" first, or "arrival", when the last to arrive wins.
        served_first: the unit moves after the served rows.
        acknowledged: it waits for them to be acknowledged.
        conditional: it moves by a compare-and-set.
        checked_pages: every page that is loaded must show the claim and the same position, not only the first.
    """

    past: str = "state"
    version: str = "position"
    served_first: bool = True
    acknowledged: bool = True
    conditional: bool = True
    checked_pages: bool = True
    rows: int = 2
    workers: int = 2
    owners: int = 2
    events: int = 3
    batch: int = 2

    @property
    def start(self) -> World:
        empty: tuple[Row, ...] = ((),) * self.rows
        return World(Unit(rows=empty), ((0, ()),) * self.rows, (IDLE,) * self.workers)

    def done(self, world: World) -> bool:
        return world.unit.next == self.events

    def wrong(self, world: World) -> str | None:
        for number, (_, value) in enumerate(world.served):
            whole = self._fold(number, self.events)
            if value != whole[: len(value)]:
                return f"served row {number} shows {value}, which no fold passes through"
            if len(value) < len(self._fold(number, world.unit.next)):
                return f"served row {number} shows {value}, and lies behind the position {world.unit.next}"
        if self.past == "state":
            for number, value in enumerate(world.unit.rows):
                if value != self._fold(number, world.unit.next):
                    return f"state row {number} is {value} at the position {world.unit.next}"
        return None

    def _fold(self, row: int, end: int) -> Row:
        return tuple(event for event in range(end) if event % self.rows == row)

    def steps(self, world: World) -> Iterator[tuple[str, World]]:
        for step, following in self._steps(world):
            yield step, self._pruned(following)

    def _pruned(self, world: World) -> World:
        """Without requests that can change nothing any more, as versions, epochs and positions only grow."""
        if self.version == "arrival" or not self.conditional:
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
        elif len(worker.rows) < self.rows:
            yield f"{worker.owner} loads row {len(worker.rows)}", self._load(world, worker)
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

    def _load(self, world: World, worker: Worker) -> World:
        number = len(worker.rows)
        if self.past == "state":
            unit = world.unit
            fresh = (unit.epoch, unit.owner, unit.next) == (worker.epoch, worker.owner, worker.next)
            if not fresh and (self.checked_pages or number == 0):
                return world.of(worker, IDLE)
            found = worker.next, unit.rows[number]
        elif self.past == "cells":
            value = world.served[number][1]
            found = (value[-1] + 1 if value else 0), value
        else:
            found = worker.next, self._fold(number, worker.next)
        return world.of(worker, worker._replace(rows=(*worker.rows, found)))

    def _fold_batch(self, world: World, worker: Worker) -> Iterator[tuple[str, World]]:
        for new in range(worker.next + 1, min(worker.next + self.batch, self.events) + 1):
            rows = list(worker.rows)
            for event in range(worker.next, new):
                folded, value = rows[event % self.rows]
                if event >= folded:
                    rows[event % self.rows] = event + 1, (*value, event)
            changed = [number for number, row in enumerate(rows) if row != worker.rows[number]]
            writes = frozenset(self._write(number, rows[number][1], new, worker) for number in changed)
            states = tuple((number, rows[number][1]) for number in changed)
            batch = Batch(worker.epoch, worker.owner, worker.next, new, states)
            after = worker._replace(rows=tuple(rows), sent=writes, batch=batch)
            what = f"{worker.owner} folds {worker.next}->{new}"
            if self.served_first:
                yield f"{what} and sends its rows", world.of(worker, after)._replace(writes=world.writes | writes)
            else:
                sent = world.of(worker, after._replace(moving=True))
                yield f"{what} and moves the unit", sent._replace(batches=world.batches | {batch})

    def _write(self, row: int, value: Row, new: int, worker: Worker) -> Write:
        version = worker.epoch * 10 + new if self.version == "epoch" else new
        return Write(row, version, value, worker.owner)

    def _unknown(self, world: World, worker: Worker, batch: Batch) -> Iterator[tuple[str, World]]:
        """No reply came: a serial read says what became of the batch, or it is sent again."""
        unit = world.unit
        if unit.owner != worker.owner:
            yield f"{worker.owner} finds itself fenced", world.of(worker, IDLE)
        elif unit.next == batch.new:
            yield f"{worker.owner} finds its batch applied", self._moved(world, worker, batch)
        elif batch not in world.batches:
            yield f"{worker.owner} sends the same batch again", world._replace(batches=world.batches | {batch})

    def _moved(self, world: World, worker: Worker, batch: Batch) -> World:
        writes = frozenset() if self.served_first else worker.sent
        after = worker._replace(next=batch.new, sent=frozenset(), batch=None, moving=False)
        return world.of(worker, after)._replace(writes=world.writes | writes)

    def _claim_arrives(self, world: World, owner: int, epoch: int) -> Iterator[tuple[str, World]]:
        if world.unit.epoch != epoch:
            yield f"the claim of {owner} comes too late", world
            return
        claimed = world._replace(unit=world.unit._replace(epoch=epoch + 1, owner=owner))
        yield f"the claim of {owner} arrives", claimed

    def _write_arrives(self, world: World, write: Write) -> Iterator[tuple[str, World]]:
        arrived = world
        if self.version == "arrival" or write.version > world.served[write.row][0]:
            served = list(world.served)
            served[write.row] = write.version, write.value
            arrived = world._replace(served=tuple(served))
        what = f"{write.value} of {write.by} arrives at row {write.row}"
        yield f"{what}, and the reply is lost", arrived
        for worker in world.workers:
            if write in worker.sent:
                yield what, arrived.of(worker, worker._replace(sent=worker.sent - {write}))

    def _batch_arrives(self, world: World, batch: Batch) -> Iterator[tuple[str, World]]:
        what = f"the move {batch.expected}->{batch.new} of {batch.owner} arrives"
        if world.unit.takes(batch) or not self.conditional:
            yield what, world._replace(unit=world.unit.after(batch))
        else:
            yield f"{what} and is refused", world


@pytest.mark.parametrize(
    "protocol",
    [
        pytest.param(Served(), id="Cassandra, state rows"),
        pytest.param(Served(past="cells"), id="Cassandra, row by row"),
        pytest.param(Served(past="cells", rows=1, owners=3, events=2), id="Cassandra, row by row, three claims"),
        pytest.param(Served(past="events"), id="search"),
        pytest.param(Served(past="events", workers=3, owners=3, events=2), id="search, three workers"),
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
        pytest.param(Served(checked_pages=False, events=4, batch=4), id="pages of several moments"),
        pytest.param(Served(version="arrival", past="events"), id="documents without a version"),
        pytest.param(
            Served(version="epoch", past="cells", rows=1, workers=3, owners=3, events=2),
            id="a timestamp built from the epoch",
        ),
    ],
)
def test_without_one_of_its_rules_it_fails(mistake: Served) -> None:
    fails(mistake)
