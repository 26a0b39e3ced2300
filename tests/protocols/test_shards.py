"""A storage in several shards, as on a Redis Cluster: each shard has a fence and a position of its own.

A worker claims every shard and replays from the lowest position; a shard takes only the events at or above its own, so
what a commit adds is attributed event by event. A shard that forgets is folded again by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import pytest

from tests.protocols.explorer import fails, holds
from tests.protocols.store import Commit, Outcome, Store

TOUCHED = ((0,), (0, 1), (1,))
"""The shards in which each event changes a row."""


class Sent(NamedTuple):
    """A request to a shard; without a commit it is a claim."""

    to: int
    owner: int
    commit: Commit | None = None


class Worker(NamedTuple):
    """A process on the unit: its claims, the positions as it knows them, and what it waits for."""

    owner: int = 0
    epochs: tuple[int, ...] = ()
    nexts: tuple[int, ...] = ()
    start: int = 0
    """Where the batch under way begins."""
    new: int = 0
    """Where it ends; 0 = none is under way."""
    waits: Sent | None = None


IDLE = Worker()


class World(NamedTuple):
    """Everything there is at one moment."""

    shards: tuple[Store, ...]
    workers: tuple[Worker, ...]
    wire: frozenset[Sent] = frozenset()
    owners: int = 0
    replica: Store | None = None
    failed_over: bool = False

    def of(self, old: Worker, new: Worker) -> World:
        """With a worker changed; in order of their tokens, as which process is which means nothing."""
        rest = list(self.workers)
        rest.remove(old)
        return self._replace(workers=tuple(sorted([*rest, new], key=lambda worker: worker.owner)))

    def at(self, number: int, shard: Store) -> World:
        """With a shard changed."""
        return self._replace(shards=(*self.shards[:number], shard, *self.shards[number + 1 :]))


@dataclass(frozen=True)
class Shards:
    """The protocol; each flag that is False is a mistake.

    Attributes:
        forgets: a shard's replica takes over once, with the state of any earlier moment.
        lowest: the replay begins at the lowest position; otherwise at the highest.
        by_event: a shard gets what the events at or above its position add; otherwise what the whole batch adds.
        own_position: every shard has a position; otherwise the last one has it for all, and the others take what comes.
    """

    forgets: bool = False
    lowest: bool = True
    by_event: bool = True
    own_position: bool = True
    workers: int = 2
    owners: int = 2
    events: int = 3

    @property
    def start(self) -> World:
        return World((Store(), Store()), (IDLE,) * self.workers, failed_over=not self.forgets)

    def done(self, world: World) -> bool:
        return all(shard.next == self.events for shard in world.shards)

    def wrong(self, world: World) -> str | None:
        for number, shard in enumerate(world.shards):
            events = tuple(event for event, _ in shard.added)
            position = shard.next if self.own_position else world.shards[-1].next
            fold = tuple(event for event in range(position) if number in TOUCHED[event])
            if events != fold and (self.own_position or not any(worker.new for worker in world.workers)):
                return f"shard {number} has seen {events}; its share of log[:{position}] is {fold}"
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
        forgetful = sent.to == 0 and not world.failed_over
        return sent.commit is not None and not forgetful and world.shards[sent.to].deaf(sent.commit)

    def _steps(self, world: World) -> Iterator[tuple[str, World]]:
        for worker in dict.fromkeys(world.workers):
            yield from self._acts(world, worker)
            if worker is not IDLE:
                yield f"{worker.owner} crashes", world.of(worker, IDLE)
        for sent in world.wire:
            yield from self._arrives(world._replace(wire=world.wire - {sent}), sent)
        if not world.failed_over:
            if world.replica is None:
                yield "this much has reached the replica of shard 0", world._replace(replica=world.shards[0])
            else:
                over = world.at(0, world.replica)._replace(failed_over=True, replica=None)
                yield "the replica of shard 0 takes over", over

    def _acts(self, world: World, worker: Worker) -> Iterator[tuple[str, World]]:
        if worker == IDLE:
            if world.owners < self.owners:
                begun = Worker(world.owners + 1, (0, 0), (0, 0))
                yield self._next(world.of(worker, begun)._replace(owners=begun.owner), begun)
        elif worker.waits is not None:
            commit = worker.waits.commit
            if commit is not None and not commit.copy:
                sent = worker.waits._replace(commit=commit._replace(copy=1))
                resent = world.of(worker, worker._replace(waits=sent))
                yield f"{worker.owner} sends the same again", resent._replace(wire=world.wire | {sent})
        elif not worker.new:
            nexts = worker.nexts if self.own_position else worker.nexts[-1:]
            start = min(nexts) if self.lowest else max(nexts)
            for new in range(start + 1, min(start + 2, self.events) + 1):
                folding = worker._replace(start=start, new=new)
                yield self._next(world.of(worker, folding), folding)

    def _next(self, world: World, worker: Worker) -> tuple[str, World]:
        """The next claim, or the next part of a batch; a shard in which it changes nothing moves on all the same."""
        if not all(worker.epochs):
            sent = Sent(worker.epochs.index(0), worker.owner)
            what = f"{worker.owner} asks for shard {sent.to}"
        else:
            number = next(number for number, at in enumerate(worker.nexts) if at < worker.new)
            expected = worker.nexts[number]
            first = max(expected, worker.start) if self.by_event else worker.start
            events = tuple((event, 0) for event in range(first, worker.new) if number in TOUCHED[event])
            commit = Commit(worker.epochs[number], worker.owner, expected, worker.new, (), events)
            sent = Sent(number, worker.owner, commit)
            what = f"{worker.owner} folds {worker.start}->{worker.new} and sends shard {number} its share from {first}"
        return what, world.of(worker, worker._replace(waits=sent))._replace(wire=world.wire | {sent})

    def _arrives(self, world: World, sent: Sent) -> Iterator[tuple[str, World]]:
        before = world.shards[sent.to]
        if sent.commit is None:
            shard, good, what = (
                before.claimed(sent.owner),
                True,
                f"the claim of shard {sent.to} by {sent.owner} arrives",
            )
        else:
            if not self.own_position and sent.to != len(world.shards) - 1:
                before = before._replace(next=sent.commit.expected)
            outcome = before.outcome(sent.commit)
            shard, good = before.after(sent.commit), outcome in (Outcome.OK, Outcome.ALREADY)
            where = f"{sent.commit.expected}->{sent.commit.new} of {sent.owner}"
            what = f"{where} arrives at shard {sent.to}: {outcome.value}"
        arrived = world.at(sent.to, shard)
        yield f"{what}, the reply is lost", arrived
        for worker in world.workers:
            if worker.waits == sent:
                yield what, self._answered(arrived, worker, sent, shard) if good else arrived.of(worker, IDLE)

    def _answered(self, world: World, worker: Worker, sent: Sent, shard: Store) -> World:
        nexts, epochs = list(worker.nexts), list(worker.epochs)
        epochs[sent.to] = shard.epoch
        nexts[sent.to] = shard.next if sent.commit is None else sent.commit.new
        if not self.own_position and sent.commit is None and sent.to == len(nexts) - 1:
            nexts = [shard.next] * len(nexts)
        new = worker._replace(epochs=tuple(epochs), nexts=tuple(nexts), waits=None)
        after = world.of(worker, new)
        if not all(epochs) or min(nexts) < new.new:
            return self._next(after, new)[1]
        return after.of(new, new._replace(start=0, new=0))


@pytest.mark.parametrize(
    "protocol",
    [
        pytest.param(Shards(), id="two shards"),
        pytest.param(Shards(owners=3, events=2), id="three claims"),
        pytest.param(Shards(forgets=True, events=2), id="a shard that forgets"),
    ],
)
def test_each_shard_holds_its_share_of_the_log_up_to_its_position(protocol: Shards) -> None:
    print(holds(protocol))


@pytest.mark.parametrize(
    "mistake",
    [
        pytest.param(Shards(lowest=False), id="a replay from the highest position"),
        pytest.param(Shards(by_event=False), id="the whole batch for every shard"),
        pytest.param(Shards(own_position=False), id="one position for all shards"),
    ],
)
def test_without_one_of_its_rules_it_fails(mistake: Shards) -> None:
    fails(mistake)
