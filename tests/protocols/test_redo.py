"""Cassandra: what a commit writes is kept as its redo, until it has been served.

No batch covers the fence and the rows, which are in other partitions. So a commit first puts down its redo, under its
owner and position; when that is acknowledged the unit moves, by a compare-and-set; then the rows are written, each with
its position as timestamp, so that a write that is older than what is there loses; and when all are acknowledged, the
position that readers go by. Only then may the next commit begin, which removes the redo. Whoever claims the unit serves
the redo that it finds once more. Rows are thus never ahead of the fence, and for whoever holds the claim never behind
it: what a fold reads back is what readers see.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import pytest

from tests.protocols.explorer import fails, holds

Row = tuple[int, ...]
"""The events that a row has seen; of the position all events before it."""


class Write(NamedTuple):
    """A served cell on its way; `by` is the owner that waits for it. The last cell is the position."""

    cell: int
    version: int
    value: Row
    by: int


class Redo(NamedTuple):
    """What a commit makes of the rows that it changes."""

    owner: int = 0
    new: int = 0
    rows: tuple[tuple[int, Row], ...] = ()


class Put(NamedTuple):
    """A redo on its way, and which one it takes the place of: owner and position. Without a redo it removes all of an
    owner's."""

    redo: Redo | None
    old: tuple[int, int]

    def takes(self, redo: Redo) -> bool:
        """Whether it removes this one."""
        return (redo.owner, redo.new) == self.old or (self.redo is None and redo.owner == self.old[0])


class Fence(NamedTuple):
    """One partition."""

    epoch: int = 0
    owner: int = 0
    next: int = 0
    by: int = 0
    """Who has moved it there."""


class Move(NamedTuple):
    """A conditional batch on its way."""

    epoch: int
    owner: int
    expected: int
    redo: Redo


class Worker(NamedTuple):
    """A process on the unit; without an owner's token it has nothing in memory, as after a crash."""

    owner: int = 0
    before: int = 0
    """Whose unit it was."""
    epoch: int = 0
    next: int = 0
    redoing: bool = False
    """It has yet to look for the redo."""
    serving: Redo | None = None
    sent: frozenset[Write] = frozenset()
    """Not acknowledged yet."""
    placed: bool = False
    """The position has been sent."""
    rows: tuple[Row, ...] = ()
    """What it has loaded, in order."""
    checked: bool = False
    """The fence was its own, and where it should be, after that."""
    by: int = 0
    """Whose redo is that of its position."""
    put: Put | None = None
    """Not acknowledged yet."""
    move: Move | None = None


IDLE = Worker()


class World(NamedTuple):
    """Everything there is at one moment."""

    fence: Fence
    served: tuple[tuple[int, Row], ...]
    """Version and value of each cell; the last is the position."""
    workers: tuple[Worker, ...]
    redos: frozenset[Redo] = frozenset()
    removed: frozenset[tuple[int, int]] = frozenset()
    puts: frozenset[Put] = frozenset()
    writes: frozenset[Write] = frozenset()
    moves: frozenset[Move] = frozenset()
    claims: frozenset[tuple[int, int]] = frozenset()
    """Owner, and the epoch that it follows."""
    owners: int = 0
    past: tuple[Fence, ...] = ()
    """What a server that forgets may go back to."""

    def of(self, old: Worker, new: Worker) -> World:
        """With a worker changed; in order of their tokens, as which process is which means nothing."""
        rest = list(self.workers)
        rest.remove(old)
        return self._replace(workers=tuple(sorted([*rest, new], key=lambda worker: worker.owner)))


@dataclass(frozen=True)
class Log:
    """The protocol; each flag that is False is a mistake.

    Attributes:
        versions: of two writes of a cell that of the higher position stays, not the last to arrive.
        moved_first: rows are sent when the unit has moved.
        kept_first: and the redo is there before it moves.
        conditional: it moves by a compare-and-set.
        acknowledged: the readers' position waits until all rows are there.
        position_last: and is not sent beside them.
        served_first: so does the next commit, whatever becomes of this one's requests.
        served_again: whoever claims the unit serves its redo.
        waits: and has nothing before that is there.
        fence_last: who loads rows looks at the fence after them, not before.
        newer_refused: and stops at a cell that is newer than the position, which only a server can cause that forgets.
        forgets: the fence goes back, once, to what it was. Rows may then be ahead of it.
    """

    versions: bool = True
    moved_first: bool = True
    kept_first: bool = True
    conditional: bool = True
    acknowledged: bool = True
    position_last: bool = True
    served_first: bool = True
    served_again: bool = True
    waits: bool = True
    fence_last: bool = True
    newer_refused: bool = True
    forgets: bool = False
    rows: int = 2
    workers: int = 2
    owners: int = 2
    events: int = 3
    batch: int = 2

    @property
    def start(self) -> World:
        return World(Fence(), ((0, ()),) * (self.rows + 1), (IDLE,) * self.workers)

    def done(self, world: World) -> bool:
        return world.fence.next == len(world.served[-1][1]) == self.events

    def wrong(self, world: World) -> str | None:
        next_, position = world.fence.next, len(world.served[-1][1])
        for number, (_, value) in enumerate(world.served):
            if value != self._fold(number, self.events)[: len(value)]:
                return f"cell {number} shows {value}, which no fold passes through"
            if len(value) > len(self._fold(number, next_)) and not self.forgets:
                return f"cell {number} shows {value}, and is ahead of the position {next_}"
            if len(value) < len(self._fold(number, position)):
                return f"cell {number} shows {value}, and lies behind the readers' position {position}"
        return self._wrong_redo(world) or self._wrong_memory(world)

    def _wrong_redo(self, world: World) -> str | None:
        for redo in world.redos:
            for number, value in redo.rows:
                if value != self._fold(number, redo.new):
                    return f"the redo of {redo.owner} has {value} for row {number} at the position {redo.new}"
        return None

    def _wrong_memory(self, world: World) -> str | None:
        for worker in world.workers:
            for number, value in enumerate(worker.rows if worker.checked else ()):
                if value != self._fold(number, worker.next):
                    return f"{worker.owner} has loaded {value} as row {number} at the position {worker.next}"
        return None

    def _fold(self, cell: int, end: int) -> Row:
        return tuple(event for event in range(end) if cell == self.rows or event % self.rows == cell)

    def steps(self, world: World) -> Iterator[tuple[str, World]]:
        for step, following in self._steps(world):
            yield step, self._pruned(following)

    def _pruned(self, world: World) -> World:
        """Without requests that can change nothing any more, as versions, epochs and positions only grow."""
        if not self.versions or not self.conditional or self.forgets:
            return world
        awaited = {write for worker in world.workers for write in worker.sent}
        redos = {*world.redos, *(item.redo for item in world.puts if item.redo is not None)}
        return world._replace(
            writes=frozenset(
                item for item in world.writes if item in awaited or item.version > world.served[item.cell][0]
            ),
            puts=frozenset(
                item for item in world.puts if item.redo is not None or any(item.takes(redo) for redo in redos)
            ),
            moves=frozenset(
                item
                for item in world.moves
                if self._takes(world.fence, item) or any(item == worker.move for worker in world.workers)
            ),
        )

    def _takes(self, fence: Fence, move: Move) -> bool:
        """The condition."""
        return (fence.epoch, fence.owner, fence.next) == (move.epoch, move.owner, move.expected)

    def _steps(self, world: World) -> Iterator[tuple[str, World]]:
        for worker in dict.fromkeys(world.workers):
            yield from self._acts(world, worker)
            if worker is not IDLE:
                yield f"{worker.owner} crashes", world.of(worker, IDLE)
        for claim in world.claims:
            yield from self._claim_arrives(world._replace(claims=world.claims - {claim}), *claim)
        for write in world.writes:
            yield from self._write_arrives(world._replace(writes=world.writes - {write}), write)
        for put in world.puts:
            yield from self._put_arrives(world._replace(puts=world.puts - {put}), put)
        for move in world.moves:
            yield from self._move_arrives(world._replace(moves=world.moves - {move}), move)
        for fence in world.past:
            yield f"the server forgets, and is at {fence.next} again", world._replace(fence=fence, past=())

    def _acts(self, world: World, worker: Worker) -> Iterator[tuple[str, World]]:
        if worker == IDLE:
            yield from self._asks(world, worker)
        elif not worker.epoch:
            yield from self._finds_its_claim(world, worker)
        elif worker.redoing:
            yield from self._looks_for_the_redo(world, worker)
        elif worker.serving is not None:
            yield from self._serves(world, worker, worker.serving)
        elif not worker.checked:
            yield from self._loads(world, worker)
        elif worker.move is None:
            yield from self._folds(world, worker)
        elif worker.put is not None:
            if worker.put not in world.puts:
                yield f"{worker.owner} puts down its redo again", world._replace(puts=world.puts | {worker.put})
        else:
            yield from self._asks_what_became(world, worker, worker.move)

    def _asks(self, world: World, worker: Worker) -> Iterator[tuple[str, World]]:
        if world.owners < self.owners:
            owner, epoch = world.owners + 1, world.fence.epoch
            asked = world.of(worker, Worker(owner, world.fence.owner))._replace(owners=owner)
            claims = world.claims | {(owner, epoch)}
            yield f"{owner} reads the epoch {epoch} and asks to follow", asked._replace(claims=claims)

    def _finds_its_claim(self, world: World, worker: Worker) -> Iterator[tuple[str, World]]:
        """A serial read says whose the unit is, where it stands, and who has moved it there."""
        fence = world.fence
        if fence.owner == worker.owner:
            mine = worker._replace(epoch=fence.epoch, next=fence.next, by=fence.by, redoing=self.served_again)
            yield f"{worker.owner} finds its claim", world.of(worker, mine)

    def _looks_for_the_redo(self, world: World, worker: Worker) -> Iterator[tuple[str, World]]:
        """Where there is none, all of it has been served."""
        after = worker._replace(redoing=False)
        for redo in world.redos:
            if (redo.owner, redo.new) == (worker.by, worker.next):
                yield (
                    f"{worker.owner} serves the redo of {redo.new}",
                    self._served(world.of(worker, after), after, redo),
                )
                return
        yield f"{worker.owner} finds no redo", self._tidied(world.of(worker, after), worker)

    def _tidied(self, world: World, worker: Worker) -> World:
        """What whoever had the unit before has left is removed: that unit is served, and he is fenced."""
        puts = world.puts | {Put(None, (worker.before, 0))} if worker.before and worker.move is None else world.puts
        return world._replace(puts=puts)

    def _served(self, world: World, worker: Worker, redo: Redo) -> World:
        """The rows of a redo are sent."""
        sent = frozenset(Write(number, redo.new, value, worker.owner) for number, value in redo.rows)
        if not self.position_last:
            sent |= {self._place(redo, worker)}
        waits = self.waits if worker.move is None else self.acknowledged
        waited = sent if waits else frozenset()
        after = worker._replace(serving=redo, sent=waited, placed=not self.position_last)
        return world.of(worker, after)._replace(writes=world.writes | sent)

    def _serves(self, world: World, worker: Worker, redo: Redo) -> Iterator[tuple[str, World]]:
        for write in worker.sent - world.writes:
            yield f"{worker.owner} sends {write.value} again", world._replace(writes=world.writes | {write})
        if worker.move is not None and not self.served_first:
            yield f"{worker.owner} leaves {redo.new} as it is", world.of(worker, self._done(worker, redo))
        if not worker.sent and not worker.placed:
            place = self._place(redo, worker)
            after = worker._replace(sent=frozenset({place}), placed=True)
            yield f"{worker.owner} sends the position", world.of(worker, after)._replace(writes=world.writes | {place})
        elif not worker.sent:
            yield (
                f"{worker.owner} has served all up to {redo.new}",
                self._tidied(world.of(worker, self._done(worker, redo)), worker),
            )

    def _done(self, worker: Worker, redo: Redo) -> Worker:
        """Its memory after a commit; after a claim it has none yet."""
        changed = dict(redo.rows)
        rows = tuple(changed.get(number, row) for number, row in enumerate(worker.rows))
        after = worker._replace(next=redo.new, by=redo.owner, rows=rows, move=None)
        return after._replace(serving=None, sent=frozenset(), placed=False)

    def _loads(self, world: World, worker: Worker) -> Iterator[tuple[str, World]]:
        number = len(worker.rows)
        looks = number == (self.rows if self.fence_last else 0)
        if looks and (world.fence.owner, world.fence.next) != (worker.owner, worker.next):
            yield f"{worker.owner} is refused its rows", world.of(worker, IDLE)
            return
        if number == self.rows:
            yield f"{worker.owner} has loaded its rows", world.of(worker, worker._replace(checked=True))
            return
        version, value = world.served[number]
        if version > worker.next and self.newer_refused and self.forgets:
            yield f"{worker.owner} finds a cell of {version} at {worker.next}, and stops", world.of(worker, IDLE)
        else:
            yield f"{worker.owner} loads row {number}", world.of(worker, worker._replace(rows=(*worker.rows, value)))

    def _folds(self, world: World, worker: Worker) -> Iterator[tuple[str, World]]:
        for new in range(worker.next + 1, min(worker.next + self.batch, self.events) + 1):
            rows = list(worker.rows)
            for event in range(worker.next, new):
                rows[event % self.rows] += (event,)
            changed = tuple((number, row) for number, row in enumerate(rows) if row != worker.rows[number])
            redo = Redo(worker.owner, new, changed)
            put, move = Put(redo, (worker.by, worker.next)), Move(worker.epoch, worker.owner, worker.next, redo)
            after = world.of(worker, worker._replace(put=put if self.kept_first else None, move=move))
            after = after._replace(puts=world.puts | {put})
            if not self.moved_first:
                early = frozenset(Write(number, new, value, worker.owner) for number, value in changed)
                after = after._replace(writes=after.writes | early)
            yield f"{worker.owner} folds {worker.next}->{new} and puts down its redo", after

    def _asks_what_became(self, world: World, worker: Worker, move: Move) -> Iterator[tuple[str, World]]:
        """No reply came: a serial read says what became of the batch, or it is sent again."""
        fence = world.fence
        if fence.owner != worker.owner:
            yield f"{worker.owner} finds itself fenced", world.of(worker, IDLE)
        elif fence.next == move.redo.new:
            yield f"{worker.owner} finds its batch applied, and serves", self._served(world, worker, move.redo)
        elif fence.next != move.expected:
            yield f"{worker.owner} finds a gap", world.of(worker, IDLE)
        elif move not in world.moves:
            yield (
                f"{worker.owner} moves the unit {move.expected}->{move.redo.new}",
                world._replace(moves=world.moves | {move}),
            )

    def _place(self, redo: Redo, worker: Worker) -> Write:
        return Write(self.rows, redo.new, self._fold(self.rows, redo.new), worker.owner)

    def _claim_arrives(self, world: World, owner: int, epoch: int) -> Iterator[tuple[str, World]]:
        if world.fence.epoch == epoch:
            claimed = world._replace(fence=world.fence._replace(epoch=epoch + 1, owner=owner))
            yield f"the claim of {owner} arrives", claimed
        else:
            yield f"the claim of {owner} comes too late", world

    def _write_arrives(self, world: World, write: Write) -> Iterator[tuple[str, World]]:
        arrived = world
        if not self.versions or write.version > world.served[write.cell][0]:
            served = list(world.served)
            served[write.cell] = write.version, write.value
            arrived = world._replace(served=tuple(served))
        what = f"{write.value} of {write.by} arrives at cell {write.cell}"
        yield f"{what}, and the reply is lost", arrived
        for worker in world.workers:
            if write in worker.sent:
                yield what, arrived.of(worker, worker._replace(sent=worker.sent - {write}))

    def _put_arrives(self, world: World, put: Put) -> Iterator[tuple[str, World]]:
        redo = put.redo
        redos = frozenset(item for item in world.redos if not put.takes(item))
        if redo is None:
            yield f"what {put.old[0]} has left is removed", world._replace(redos=redos)
            return
        if (redo.owner, redo.new) not in world.removed:
            redos |= {redo}
        arrived = world._replace(redos=redos, removed=world.removed | {put.old})
        yield f"the redo {redo.new} of {redo.owner} arrives, and the reply is lost", arrived
        for worker in world.workers:
            if worker.put == put:
                yield f"the redo {redo.new} of {redo.owner} arrives", arrived.of(worker, worker._replace(put=None))

    def _move_arrives(self, world: World, move: Move) -> Iterator[tuple[str, World]]:
        what = f"the move {move.expected}->{move.redo.new} of {move.owner} arrives"
        if self._takes(world.fence, move) or not self.conditional:
            past = (*world.past, world.fence) if self.forgets and len(world.past) < 2 else world.past
            moved = world._replace(fence=world.fence._replace(next=move.redo.new, by=move.owner), past=past)
            yield f"{what}, and the reply is lost", moved
            for worker in world.workers:
                if worker.move == move and worker.serving is None:
                    yield f"{what}, and {move.owner} serves", self._served(moved, worker, move.redo)
        else:
            yield f"{what} and is refused", world


LARGE = [
    pytest.param(Log(owners=3, events=2), id="three claims"),
    pytest.param(Log(workers=3, owners=3, events=2, rows=1), id="three workers"),
]
"""Half a million states, which nothing but this file and the explorer changes: `make faults` explores them."""


@pytest.mark.parametrize(
    "protocol",
    [
        pytest.param(Log(events=4), id="two workers"),
        *(LARGE if os.environ.get("MILLRACE_MODELS") == "large" else []),
        pytest.param(Log(forgets=True, rows=1), id="a server that forgets"),
    ],
)
def test_rows_are_never_ahead_of_the_fence_nor_behind_the_position_of_readers(protocol: Log) -> None:
    print(holds(protocol))


@pytest.mark.parametrize(
    "mistake",
    [
        pytest.param(Log(moved_first=False), id="rows before the unit has moved"),
        pytest.param(Log(kept_first=False), id="a unit that moves before its redo is there"),
        pytest.param(Log(conditional=False), id="an unconditional move"),
        pytest.param(Log(acknowledged=False), id="a position before its rows are there"),
        pytest.param(Log(position_last=False), id="a position beside its rows"),
        pytest.param(Log(served_first=False), id="a redo that is written over before its rows are there"),
        pytest.param(Log(served_again=False), id="a claim that does not serve the redo"),
        pytest.param(Log(waits=False), id="a claim that does not wait for it"),
        pytest.param(Log(fence_last=False), id="the fence looked at before the rows"),
        pytest.param(Log(versions=False), id="rows without a version"),
        pytest.param(Log(forgets=True, rows=1, newer_refused=False), id="a newer cell taken for what it should be"),
    ],
)
def test_without_one_of_its_rules_it_fails(mistake: Log) -> None:
    fails(mistake)
