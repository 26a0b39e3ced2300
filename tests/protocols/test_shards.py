"""A generation in several slots of a Redis Cluster: the state shard decides, and keeps what the others are to write.

One other shard stands for all of them, as they know nothing of one another. Whoever has the unit looks at where the
other shard is and lets it take what it has missed; after any doubt it does so again. Requests arrive late, also those
of the dead; replies are lost; a node that is replaced may have the state of any earlier moment.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import pytest

from tests.protocols.explorer import fails, holds
from tests.protocols.store import ALL, Commit, Outcome, Row, Rules, Store

TOUCHED = ((0, 1), (0,), (1,))
"""The shards in which each event changes a row."""


class Redo(NamedTuple):
    """What one commit has the other shard write."""

    expected: int
    new: int
    put: Row
    adds: Row


class State(NamedTuple):
    """The state shard: its own rows, and what it knows of the other shard."""

    store: Store = Store()
    at: int = 0
    """Where the other shard is, once it has taken what it is to write."""
    kept: tuple[Redo, ...] = ()


class Sent(NamedTuple):
    """A request to a shard; without a commit it is a claim."""

    to: int
    owner: int
    commit: Commit | None = None
    redo: Redo | None = None
    """For the state shard: what the other is to write."""


class Worker(NamedTuple):
    """A process on the unit, and what it knows."""

    owner: int = 0
    epochs: tuple[int, int] = (0, 0)
    next: int = 0
    at: int = -1
    """Where the other shard should be; -1 = it has yet to look."""
    level: bool = False
    rows: tuple[Row, ...] | None = None
    """Its memory of the rows that are put."""
    missed: tuple[Redo, ...] = ()
    """What the other shard has yet to take, before the next commit."""
    waits: Sent | None = None
    looks: int = 0
    """How often it has looked again."""


IDLE, STOPPED = Worker(), Worker(owner=-1)


class World(NamedTuple):
    """Everything there is at one moment."""

    state: State
    other: Store
    workers: tuple[Worker, ...]
    wire: frozenset[Sent] = frozenset()
    owners: int = 0
    replica: State | Store | None = None
    failed_over: bool = False
    problem: str | None = None

    def of(self, old: Worker, new: Worker) -> World:
        """With a worker changed; in order of their tokens, as which process is which means nothing."""
        rest = list(self.workers)
        rest.remove(old)
        return self._replace(workers=tuple(sorted([*rest, new])))

    def store(self, number: int) -> Store:
        """The fence and the rows of a shard."""
        return self.other if number else self.state.store


@dataclass(frozen=True)
class Shards:
    """The protocol; each flag that is False is a mistake.

    Attributes:
        forgets: the shard whose replica takes over once, with the state of any earlier moment; None = none.
        reads: the fold reads rows back; otherwise it only adds.
        keeps: so many commits are kept for a shard that forgets.
        state_first: the state shard decides before the other shard writes.
        levels: who claims the unit lets the other shard take what it has missed.
        waits: the next commit is sent when the other shard has taken the last.
        knows: the state shard knows where the other should be; otherwise only what the last commit had it write counts.
        within: what the other shard is to write is kept in the same step in which the state shard decides.
        tells: a state that has forgotten is told where it found the other shard.
        other: what the other shard checks.
        batch: so many events are committed at most; with one, all who fold cut the log at the same places.
        looks: so often a worker looks again when it is in doubt, before it begins anew.
    """

    forgets: int | None = None
    reads: bool = True
    keeps: int = 3
    state_first: bool = True
    levels: bool = True
    waits: bool = True
    knows: bool = True
    within: bool = True
    tells: bool = True
    other: Rules = ALL
    batch: int = 2
    looks: int = 1
    workers: int = 2
    owners: int = 2
    events: int = 3

    @property
    def start(self) -> World:
        return World(State(), Store(), (IDLE,) * self.workers, failed_over=self.forgets is None)

    def done(self, world: World) -> bool:
        return world.state.store.next == self.events and events(world.other.added) == touching(1, self.events)

    def wrong(self, world: World) -> str | None:
        if world.problem is not None:
            return world.problem
        for number in (0, 1):
            found, position = world.store(number), world.store(number).next
            for row in (found.put, found.added) if self.reads else (found.added,):
                if events(row) != touching(number, position):
                    return f"shard {number} at {position} has seen {events(row)}"
        for worker in world.workers:
            wanted = [touching(number, worker.next) for number in (0, 1)]
            if worker.rows is not None and list(map(events, worker.rows)) != wanted:
                return f"{worker.owner} at {worker.next} has read rows that have seen {[*map(events, worker.rows)]}"
        return self._two_histories(world) if self.forgets != 0 else None

    def _two_histories(self, world: World) -> str | None:
        """A zombie may run the code of yesterday: what one event did to two shards must be of one owner."""
        state, other = dict(world.state.store.added), dict(world.other.added)
        differ = [event for event in state.keys() & other.keys() if state[event] != other[event]]
        return f"the shards tell of different histories of {differ}" if differ else None

    def steps(self, world: World) -> Iterator[tuple[str, World]]:
        for step, following in self._steps(world):
            yield step, self._pruned(following)

    def _pruned(self, world: World) -> World:
        """Without requests that can change nothing any more: fewer states."""
        if self.other != ALL or not self.state_first:
            return world
        awaited = {worker.waits for worker in world.workers}
        keep = {sent for sent in world.wire if sent in awaited or not self._deaf(world, sent)}
        return world if len(keep) == len(world.wire) else world._replace(wire=frozenset(keep))

    def _deaf(self, world: World, sent: Sent) -> bool:
        forgetful = sent.to == self.forgets and not world.failed_over
        return sent.commit is not None and not forgetful and world.store(sent.to).deaf(sent.commit)

    def _steps(self, world: World) -> Iterator[tuple[str, World]]:
        for worker in dict.fromkeys(world.workers):
            if worker != STOPPED:
                yield from self._acts(world, worker)
            if worker not in (IDLE, STOPPED):
                yield f"{worker.owner} crashes", world.of(worker, IDLE)
        for sent in world.wire:
            yield from self._arrives(world._replace(wire=world.wire - {sent}), sent)
        if not world.failed_over:
            yield from self._fails_over(world)

    def _fails_over(self, world: World) -> Iterator[tuple[str, World]]:
        now: State | Store = world.other if self.forgets else world.state
        if world.replica is None:
            yield f"this much has reached the replica of shard {self.forgets}", world._replace(replica=now)
            return
        over = world._replace(failed_over=True, replica=None)
        then = (
            over._replace(other=world.replica)
            if isinstance(world.replica, Store)
            else over._replace(state=world.replica)
        )
        yield f"the replica of shard {self.forgets} takes over", then

    def _acts(self, world: World, worker: Worker) -> Iterator[tuple[str, World]]:
        if worker == IDLE:
            if world.owners < self.owners:
                begun = Worker(world.owners + 1)
                asked = world.of(worker, begun)._replace(owners=begun.owner)
                yield f"{begun.owner} asks for the unit", self._send(asked, begun, Sent(0, begun.owner))
        elif worker.waits is not None:
            if worker.epochs[0]:
                yield f"{worker.owner} has no answer, and looks again", world.of(worker, self._again(worker))
        elif worker.at < 0:
            yield self._look(world, worker)
        elif worker.missed:
            yield f"{worker.owner} sends the other shard what it has missed", self._redo(world, worker)
        elif worker.level and worker.rows is None:
            yield self._read(world, worker)
        elif worker.level:
            for new in range(worker.next + 1, min(worker.next + self.batch, self.events) + 1):
                yield f"{worker.owner} sends {worker.next}->{new}", self._begin(world, worker, new)

    def _again(self, worker: Worker) -> Worker:
        """Its claim of the state is all that it still believes in; after a few times it gives that up as well."""
        if worker.looks == self.looks:
            return IDLE
        return Worker(worker.owner, (worker.epochs[0], 0), looks=worker.looks + 1)

    def _send(self, world: World, worker: Worker, sent: Sent) -> World:
        return world.of(worker, worker._replace(waits=sent))._replace(wire=world.wire | {sent})

    def _look(self, world: World, worker: Worker) -> tuple[str, World]:
        """At the state, under the fence; then it claims the other shard."""
        store = world.state.store
        if not store.owned(worker.epochs[0], worker.owner):
            return f"{worker.owner} looks, and is fenced", world.of(worker, IDLE)
        looked = worker._replace(next=store.next, at=world.state.at)
        seen = world.of(worker, looked)
        what = f"{worker.owner} looks: the unit is at {looked.next}, the other shard ought to be at {looked.at}"
        return what, self._send(seen, looked, Sent(1, worker.owner))

    def _compared(self, world: World, worker: Worker, found: int) -> World:
        """What follows from where the other shard was found."""
        if not self.levels:
            return world.of(worker, worker._replace(at=found, level=True))
        if not self.knows:
            last = tuple(redo for redo in world.state.kept[-1:] if redo.expected == found)
            return world.of(worker, worker._replace(at=last[0].new if last else found, missed=last, level=not last))
        steps = missed(world.state.kept, found, worker.at)
        if steps is not None:
            return self._levelled(world, worker._replace(missed=steps, level=not steps), worker)
        if not world.state.store.owned(worker.epochs[0], worker.owner) or world.state.store.next != worker.next:
            return world.of(worker, IDLE)  # another has gone on
        if found > worker.next:
            return world.of(worker, worker._replace(at=found, level=True))
        return self._stopped(world, worker)

    def _stopped(self, world: World, worker: Worker) -> World:
        needless = "stopped though all that is needed is there" if self._needs_not_stop(world) else None
        return world.of(worker, STOPPED)._replace(problem=needless)

    def _needs_not_stop(self, world: World) -> bool:
        """Only what was forgotten and is not kept elsewhere stops a unit."""
        if self.forgets == 0:
            return not world.failed_over or not (self.reads or self.batch > 1)
        return self.forgets is None or not world.failed_over or self.keeps >= self.events

    def _levelled(self, world: World, worker: Worker, old: Worker) -> World:
        """Whoever says that all is level must be right, unless what it saw has been forgotten since."""
        found = world.of(old, worker)
        exact = world.other.owner == worker.owner and worker.at <= worker.next
        if worker.level and exact and events(world.other.added) != touching(1, worker.next):
            return found._replace(problem=f"{worker.owner} says that all is level at {worker.next}")
        return found

    def _redo(self, world: World, worker: Worker) -> World:
        redo = worker.missed[0]
        commit = Commit(worker.epochs[1], worker.owner, redo.expected, redo.new, redo.put, redo.adds)
        return self._send(world, worker, Sent(1, worker.owner, commit))

    def _read(self, world: World, worker: Worker) -> tuple[str, World]:
        if not self.reads:
            fold = tuple(share(number, 0, worker.next, worker.owner) for number in (0, 1))
            return f"{worker.owner} reads nothing", world.of(worker, worker._replace(rows=fold))
        if worker.at > worker.next:
            return f"{worker.owner} stops: the other shard has rows of the future", self._stopped(world, worker)
        mine = [world.store(number).owned(worker.epochs[number], worker.owner) for number in (0, 1)]
        if not all(mine) or (world.state.store.next, world.other.next) != (
            worker.next,
            worker.at,
        ):
            return f"{worker.owner} reads, and is refused", world.of(worker, self._again(worker))
        rows = world.state.store.put, world.other.put
        return f"{worker.owner} reads the rows", world.of(worker, worker._replace(rows=rows))

    def _begin(self, world: World, worker: Worker, new: int) -> World:
        """Fold a batch, and send the first of its two parts."""
        assert worker.rows is not None
        adds = [share(number, worker.next, new, worker.owner) for number in (0, 1)]
        if worker.at > worker.next:  # the other shard has seen these
            if new > worker.at:
                return world
            adds[1] = ()
        puts = [row + add for row, add in zip(worker.rows, adds, strict=True)]
        redo = Redo(worker.at, new, puts[1], adds[1]) if adds[1] else None
        if worker.at > worker.next and self.tells:
            redo = Redo(worker.at, worker.at, (), ())
        commit = Commit(worker.epochs[0], worker.owner, worker.next, new, puts[0], adds[0])
        state = Sent(0, worker.owner, commit, redo)
        if redo is None or self.state_first:
            return self._send(world, worker, state)
        return self._send(world, worker, self._share(worker, redo))

    def _share(self, worker: Worker, redo: Redo) -> Sent:
        commit = Commit(worker.epochs[1], worker.owner, redo.expected, redo.new, redo.put, redo.adds)
        return Sent(1, worker.owner, commit, redo if not self.state_first else None)

    def _arrives(self, world: World, sent: Sent) -> Iterator[tuple[str, World]]:
        before = world.store(sent.to)
        if sent.commit is None:
            outcome, after = Outcome.OK, before.claimed(sent.owner)
            what = f"the claim of shard {sent.to} by {sent.owner} arrives"
        else:
            rules = self.other if sent.to else ALL
            outcome, after = before.outcome(sent.commit, rules), before.after(sent.commit, rules)
            where = f"{sent.commit.expected}->{sent.commit.new} of {sent.owner}"
            what = f"{where} arrives at shard {sent.to}: {outcome.value}"
        arrived = self._applied(world, sent, after, outcome)
        yield f"{what}, the reply is lost", arrived
        for worker in world.workers:
            if worker.waits == sent:
                yield what, self._answered(arrived, worker, sent, outcome, after)

    def _applied(self, world: World, sent: Sent, after: Store, outcome: Outcome) -> World:
        if sent.to:
            return world._replace(other=after)
        state = world.state._replace(store=after)
        if sent.redo is not None and outcome is Outcome.OK:
            kept = (*state.kept, sent.redo)[-self.keeps :] if self.within else state.kept
            state = state._replace(at=sent.redo.new, kept=kept)
        return world._replace(state=state)

    def _answered(self, world: World, worker: Worker, sent: Sent, outcome: Outcome, after: Store) -> World:
        heard = worker._replace(waits=None)
        if sent.commit is None:
            if not sent.to:
                return world.of(worker, heard._replace(epochs=(after.epoch, 0)))
            claimed = heard._replace(epochs=(worker.epochs[0], after.epoch))
            return self._compared(world.of(worker, claimed), claimed, after.next)
        if outcome not in (Outcome.OK, Outcome.ALREADY):
            return world.of(worker, self._again(heard) if sent.to else IDLE)
        if worker.missed:
            rest = heard._replace(missed=worker.missed[1:], level=len(worker.missed) == 1)
            return self._levelled(world, rest, worker) if self.knows else world.of(worker, rest)
        return self._went_on(world, worker, heard, sent)

    def _went_on(self, world: World, worker: Worker, heard: Worker, sent: Sent) -> World:
        """After one part of a commit comes the other, and then the next commit."""
        assert sent.commit is not None
        assert worker.rows is not None
        if sent.to and not self.state_first and sent.redo is not None:
            adds = share(0, worker.next, sent.commit.new, worker.owner)
            state = Commit(worker.epochs[0], worker.owner, worker.next, sent.commit.new, worker.rows[0] + adds, adds)
            return self._send(world.of(worker, heard), heard, Sent(0, worker.owner, state, sent.redo))
        new = sent.commit.new
        rows = tuple(row + share(number, worker.next, new, worker.owner) for number, row in enumerate(worker.rows))
        done = heard._replace(next=new, rows=rows, at=new if sent.to else worker.at)
        if sent.to or sent.redo is None or not sent.redo.adds:
            return world.of(worker, done)
        if not self.state_first:
            return world.of(worker, done._replace(at=new))
        if not self.within:
            world = world._replace(state=world.state._replace(kept=(*world.state.kept, sent.redo)))
        part = self._share(worker, sent.redo)
        if self.waits:
            return self._send(world.of(worker, heard), heard, part)
        return world.of(worker, done._replace(at=new))._replace(wire=world.wire | {part})


def share(number: int, start: int, end: int, owner: int) -> Row:
    """What the events of `log[start:end]` add to a shard, as this owner folds them."""
    return tuple((event, owner) for event in range(start, end) if number in TOUCHED[event])


def touching(number: int, end: int) -> list[int]:
    """The events of `log[:end]` that change a shard."""
    return [event for event in range(end) if number in TOUCHED[event]]


def events(row: Row) -> list[int]:
    """The events that a row has seen."""
    return [event for event, _ in row]


def missed(kept: tuple[Redo, ...], found: int, wanted: int) -> tuple[Redo, ...] | None:
    """As `storage.redis.shards.missed`."""
    steps: list[Redo] = []
    for redo in kept:
        if redo.expected == found and found != wanted:
            steps.append(redo)
            found = redo.new
    return tuple(steps) if found == wanted else None


@pytest.mark.parametrize(
    "protocol",
    [
        pytest.param(Shards(), id="two workers"),
        pytest.param(Shards(owners=3, events=2, looks=0), id="three claims"),
        pytest.param(Shards(keeps=1, events=2), id="one commit kept"),
        pytest.param(Shards(forgets=1, looks=0), id="a shard that forgets"),
        pytest.param(Shards(forgets=1, looks=0, keeps=1), id="a shard that forgets more than is kept"),
        pytest.param(Shards(forgets=0, looks=0), id="a state that forgets"),
        pytest.param(Shards(forgets=0, looks=0, reads=False), id="a state that forgets, and a fold that only adds"),
        pytest.param(Shards(forgets=0, reads=False, workers=1, batch=1), id="the same, batches cut alike"),
    ],
)
def test_each_shard_holds_its_share_of_the_log_whenever_it_is_read(protocol: Shards) -> None:
    print(holds(protocol))


@pytest.mark.parametrize(
    "mistake",
    [
        pytest.param(Shards(state_first=False, events=2), id="the other shard before the state"),
        pytest.param(Shards(levels=False, events=2), id="a claim that leaves the others as they are"),
        pytest.param(Shards(waits=False, keeps=1), id="the next commit before all shards have the last"),
        pytest.param(Shards(knows=False, forgets=1, keeps=1, looks=0), id="no positions in the state shard"),
        pytest.param(Shards(within=False, events=2), id="what the others write is kept a step later"),
        pytest.param(
            Shards(tells=False, forgets=0, reads=False, workers=1, events=2, batch=1), id="a state that is not told"
        ),
        pytest.param(Shards(other=Rules(equality=False), forgets=1, looks=0), id="next < new in the other shard"),
    ],
)
def test_without_one_of_its_rules_it_fails(mistake: Shards) -> None:
    fails(mistake)
