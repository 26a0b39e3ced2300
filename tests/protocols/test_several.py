"""Several storages in one learner: one holds the state that the fold reads back, the others are derived from it.

Each has a fence and a position of its own. A commit goes to the derived ones first and to the state last, so that a
derived storage is never behind; one that is ahead has seen the events already, so batches are cut at its position.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import pytest

from tests.protocols.explorer import fails, holds
from tests.protocols.store import ALL, Commit, Outcome, Row, Rules, Store, folded

STATE = 0


class Sent(NamedTuple):
    """A request to one of the storages; without a commit it is a claim."""

    to: int
    owner: int
    commit: Commit | None = None


class Worker(NamedTuple):
    """A process on the unit; without a token it has nothing in memory, as after a crash."""

    owner: int = 0
    epochs: tuple[int, ...] = ()
    nexts: tuple[int, ...] = ()
    """Of each storage as far as the worker knows; 0 in `epochs` = not claimed yet."""
    row: Row | None = None
    waits: Sent | None = None
    stopped: bool = False


IDLE = Worker()


class World(NamedTuple):
    """Everything there is at one moment."""

    stores: tuple[Store, ...]
    workers: tuple[Worker, ...]
    wire: frozenset[Sent] = frozenset()
    owners: int = 0
    replica: Store | None = None
    failed_over: bool = False
    false_alarm: bool = False

    def of(self, old: Worker, new: Worker) -> World:
        """With a worker changed; in order of their tokens, as which process is which means nothing."""
        rest = list(self.workers)
        rest.remove(old)
        return self._replace(workers=tuple(sorted([*rest, new], key=lambda worker: worker.owner)))

    def at(self, number: int, store: Store) -> World:
        """With a storage changed."""
        return self._replace(stores=_at(self.stores, number, store))


@dataclass(frozen=True)
class Several:
    """The protocol; each flag that is False is a mistake.

    Attributes:
        forgets: number of the storage whose replica takes over once, with the state of any earlier moment.
        state_last: derived storages are committed before the state.
        state_claimed_first: the state is claimed, and its position read, before the derived ones.
        own_position: a derived storage checks its own position, and what lies below it is skipped.
        cut: a batch ends where a derived storage that is ahead stands.
        rebuild: a derived storage that is behind the state stops the unit; otherwise it goes on from there.
    """

    derived: int = 1
    forgets: int | None = None
    state_last: bool = True
    state_claimed_first: bool = True
    own_position: bool = True
    cut: bool = True
    rebuild: bool = True
    workers: int = 2
    owners: int = 2
    events: int = 3

    @property
    def start(self) -> World:
        stores = (Store(),) * (1 + self.derived)
        return World(stores, (IDLE,) * self.workers, failed_over=self.forgets is None)

    def done(self, world: World) -> bool:
        return all(store.next == self.events for store in world.stores)

    def wrong(self, world: World) -> str | None:
        if world.false_alarm:
            return "a derived storage was taken to be behind the state, and nothing was forgotten"
        for number, store in enumerate(world.stores):
            if problem := store.wrong(one_history=False):
                return f"{_name(number)}: {problem}"
        return None

    def steps(self, world: World) -> Iterator[tuple[str, World]]:
        for step, following in self._steps(world):
            yield step, self._pruned(following)

    def _pruned(self, world: World) -> World:
        """Without requests that can change nothing any more: fewer states."""
        if not self.own_position:
            return world
        awaited = {worker.waits for worker in world.workers}
        keep = {sent for sent in world.wire if sent in awaited or not self._deaf(world, sent)}
        return world if len(keep) == len(world.wire) else world._replace(wire=frozenset(keep))

    def _deaf(self, world: World, sent: Sent) -> bool:
        forgetful = sent.to == self.forgets and not world.failed_over
        return sent.commit is not None and not forgetful and world.stores[sent.to].deaf(sent.commit)

    def _steps(self, world: World) -> Iterator[tuple[str, World]]:
        for worker in dict.fromkeys(world.workers):
            yield from self._acts(world, worker)
            if worker is not IDLE:
                yield f"{worker.owner} crashes", world.of(worker, IDLE)
        for sent in world.wire:
            yield from self._arrives(world._replace(wire=world.wire - {sent}), sent)
        if self.forgets is not None and not world.failed_over:
            name, store = _name(self.forgets), world.stores[self.forgets]
            if world.replica is None:
                yield f"this much has reached the replica of the {name}", world._replace(replica=store)
            else:
                over = world.at(self.forgets, world.replica)._replace(failed_over=True, replica=None)
                yield f"the replica of the {name} takes over", over

    def _acts(self, world: World, worker: Worker) -> Iterator[tuple[str, World]]:
        if worker == IDLE:
            if world.owners < self.owners:
                owner = world.owners + 1
                begun = Worker(owner, (0,) * len(world.stores), (0,) * len(world.stores))
                yield self._claim_next(world.of(worker, begun)._replace(owners=owner), begun)
        elif worker.stopped:
            return
        elif worker.waits is not None:
            commit = worker.waits.commit
            if commit is not None and not commit.copy:
                sent = worker.waits._replace(commit=commit._replace(copy=1))
                resent = world.of(worker, worker._replace(waits=sent))
                yield f"{worker.owner} sends the same again", resent._replace(wire=world.wire | {sent})
        elif worker.row is None:
            state = world.stores[STATE]
            fresh = state.owned(worker.epochs[STATE], worker.owner) and state.next == worker.nexts[STATE]
            yield f"{worker.owner} reads the row", world.of(worker, worker._replace(row=state.put) if fresh else IDLE)
        else:
            for new in range(worker.nexts[STATE] + 1, min(worker.nexts[STATE] + 2, self.events) + 1):
                if not self.cut or all(not worker.nexts[STATE] < at < new for at in worker.nexts[1:]):
                    yield self._commit_next(world, worker, new)

    def _claim_next(self, world: World, worker: Worker) -> tuple[str, World]:
        order = range(len(worker.epochs)) if self.state_claimed_first else reversed(range(len(worker.epochs)))
        number = next(number for number in order if not worker.epochs[number])
        sent = Sent(number, worker.owner)
        asked = world.of(worker, worker._replace(waits=sent))
        return f"{worker.owner} asks for the {_name(number)}", asked._replace(wire=world.wire | {sent})

    def _commit_next(self, world: World, worker: Worker, new: int) -> tuple[str, World]:
        """Send to the first storage that is not there yet; derived ones first."""
        assert worker.row is not None
        order = [*range(1, len(worker.nexts)), STATE]
        if not self.state_last:
            order = order[::-1]
        number = next(number for number in order if worker.nexts[number] < new)
        expected, start = worker.nexts[number], worker.nexts[STATE] if self.state_last else min(worker.nexts)
        events = folded(start, new, worker.owner)
        commit = Commit(worker.epochs[number], worker.owner, expected, new, worker.row[:start] + events, events)
        sent = Sent(number, worker.owner, commit)
        asked = world.of(worker, worker._replace(waits=sent))
        what = f"{worker.owner} folds {start}->{new} and sends it to the {_name(number)}, from {expected}"
        return what, asked._replace(wire=world.wire | {sent})

    def _arrives(self, world: World, sent: Sent) -> Iterator[tuple[str, World]]:
        if sent.commit is None:
            store = world.stores[sent.to].claimed(sent.owner)
            what, good = f"the claim of the {_name(sent.to)} by {sent.owner} arrives", True
        else:
            rules = ALL if self.own_position or sent.to == STATE else Rules(equality=False)
            before = world.stores[sent.to]
            before = before if rules.equality else before._replace(next=sent.commit.expected)
            outcome = before.outcome(sent.commit, rules)
            store, good = before.after(sent.commit, rules), outcome in (Outcome.OK, Outcome.ALREADY)
            where = f"{sent.commit.expected}->{sent.commit.new} of {sent.owner}"
            what = f"{where} arrives at the {_name(sent.to)}: {outcome.value}"
        arrived = world.at(sent.to, store)
        yield f"{what}, the reply is lost", arrived
        for worker in world.workers:
            if worker.waits == sent:
                yield what, self._answered(arrived, worker, sent, store) if good else arrived.of(worker, IDLE)

    def _answered(self, world: World, worker: Worker, sent: Sent, store: Store) -> World:
        """A worker goes on at once: with the next claim, or the next part of its commit."""
        if sent.commit is None:
            epochs, nexts = _at(worker.epochs, sent.to, store.epoch), _at(worker.nexts, sent.to, store.next)
            new = worker._replace(epochs=epochs, nexts=nexts, waits=None)
            claimed = world.of(worker, new)
            if not all(epochs):
                return self._claim_next(claimed, new)[1]
            if self.rebuild and min(nexts) < nexts[STATE]:
                stopped = claimed.of(new, new._replace(stopped=True))
                return stopped._replace(false_alarm=self.forgets is None)
            return claimed
        new = worker._replace(nexts=_at(worker.nexts, sent.to, sent.commit.new), waits=None)
        if sent.to == STATE:
            new = new._replace(row=sent.commit.put)
        going = world.of(worker, new)
        return going if min(new.nexts) >= sent.commit.new else self._commit_next(going, new, sent.commit.new)[1]


def _at(values: tuple, number: int, value: object) -> tuple:  # type: ignore[type-arg]
    return (*values[:number], value, *values[number + 1 :])


def _name(number: int) -> str:
    return "state" if number == STATE else f"derived storage {number}"


@pytest.mark.parametrize(
    "protocol",
    [
        pytest.param(Several(), id="a state and a derived storage"),
        pytest.param(Several(owners=3, events=2), id="three claims"),
        pytest.param(Several(derived=2, events=2), id="two derived storages"),
        pytest.param(Several(forgets=STATE, events=2), id="a state that forgets"),
        pytest.param(Several(forgets=1, events=2), id="a derived storage that forgets"),
    ],
)
def test_each_storage_holds_the_fold_of_the_log_up_to_its_position(protocol: Several) -> None:
    print(holds(protocol))


@pytest.mark.parametrize(
    "mistake",
    [
        pytest.param(Several(state_last=False), id="state before derived"),
        pytest.param(Several(state_claimed_first=False), id="derived claimed before the state"),
        pytest.param(Several(own_position=False), id="no position of its own"),
        pytest.param(Several(cut=False), id="batches that are not cut"),
        pytest.param(Several(rebuild=False, forgets=1, events=2), id="going on where derived is behind"),
    ],
)
def test_without_one_of_its_rules_it_fails(mistake: Several) -> None:
    fails(mistake)
