"""Redis: claim, read and commit are one script each, under a fence; a failover may forget what was acknowledged.

Requests arrive late, also those of the dead; replies are lost; workers crash between any two steps; the replica that
takes over may have the state of any earlier moment.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import pytest

from tests.protocols.explorer import fails, holds
from tests.protocols.store import ALL, Commit, Outcome, Row, Rules, Store, folded


class Worker(NamedTuple):
    """A process on the unit; without an owner's token it has nothing in memory, as after a crash."""

    owner: int = 0
    epoch: int = 0
    """0 = it has asked for the unit, and has no answer yet."""
    next: int = 0
    row: Row | None = None
    """Its memory of the row that is put; None = not read yet."""
    commit: Commit | None = None
    """What it waits for."""


IDLE = Worker()


class World(NamedTuple):
    """Everything there is at one moment."""

    store: Store
    workers: tuple[Worker, ...]
    claims: frozenset[int] = frozenset()
    """Requests on their way, by the owner's token."""
    commits: frozenset[Commit] = frozenset()
    owners: int = 0
    """Tokens given out."""
    replica: Store | None = None
    failed_over: bool = False
    needless_gap: bool = False
    """The newest owner was told GAP though nothing was forgotten."""

    def of(self, old: Worker, new: Worker) -> World:
        """With a worker changed. Workers are kept in order of their tokens: which process is which means nothing."""
        rest = list(self.workers)
        rest.remove(old)
        return self._replace(workers=tuple(sorted([*rest, new], key=lambda worker: worker.owner)))


@dataclass(frozen=True)
class Redis:
    """The protocol; each flag that is False, or another word, is a mistake.

    Attributes:
        fenced_read: rows are read by the script that checks the fence.
        unknown: what follows a time-out: "resend" the identical commit, or fold a batch of another size ("rebatch").
    """

    rules: Rules = ALL
    fenced_read: bool = True
    unknown: str = "resend"
    workers: int = 2
    owners: int = 2
    events: int = 3
    failover: bool = True

    @property
    def start(self) -> World:
        return World(Store(), (IDLE,) * self.workers, failed_over=not self.failover)

    def done(self, world: World) -> bool:
        return world.store.next == self.events

    def wrong(self, world: World) -> str | None:
        if world.needless_gap:
            return "the newest owner was told GAP though nothing was forgotten; the third time its unit stops"
        return world.store.wrong()

    def steps(self, world: World) -> Iterator[tuple[str, World]]:
        for step, following in self._steps(world):
            yield step, self._pruned(following)

    def _pruned(self, world: World) -> World:
        """Without requests that can change nothing any more: fewer states."""
        if not world.commits or not world.failed_over or self.rules != ALL:
            return world
        awaited = {worker.commit for worker in world.workers}
        keep = {commit for commit in world.commits if commit in awaited or not world.store.deaf(commit)}
        return world if len(keep) == len(world.commits) else world._replace(commits=frozenset(keep))

    def _steps(self, world: World) -> Iterator[tuple[str, World]]:
        for worker in dict.fromkeys(world.workers):
            yield from self._acts(world, worker)
            if worker is not IDLE:
                yield f"{worker.owner} crashes", world.of(worker, IDLE)
        for owner in world.claims:
            yield from self._claim_arrives(world._replace(claims=world.claims - {owner}), owner)
        for commit in world.commits:
            yield from self._commit_arrives(world._replace(commits=world.commits - {commit}), commit)
        if not world.failed_over:
            if world.replica is None:
                yield "this much has reached the replica", world._replace(replica=world.store)
            else:
                yield "the replica takes over", world._replace(store=world.replica, failed_over=True, replica=None)

    def _acts(self, world: World, worker: Worker) -> Iterator[tuple[str, World]]:
        if worker == IDLE:
            if world.owners < self.owners:
                owner = world.owners + 1
                asked = world.of(worker, Worker(owner))
                yield f"{owner} asks for the unit", asked._replace(owners=owner, claims=world.claims | {owner})
        elif worker.epoch and worker.row is None:
            yield f"{worker.owner} reads the row", self._read(world, worker)
        elif worker.commit is not None:
            yield from self._time_out(world, worker, worker.commit)
        elif worker.epoch:
            yield from self._send(world, worker)

    def _read(self, world: World, worker: Worker) -> World:
        store = world.store
        fresh = store.owned(worker.epoch, worker.owner, self.rules) and store.next == worker.next
        return world.of(worker, worker._replace(row=store.put) if fresh or not self.fenced_read else IDLE)

    def _send(self, world: World, worker: Worker, but: int | None = None) -> Iterator[tuple[str, World]]:
        """Commits of one event, or of two: where a batch ends is chance."""
        assert worker.row is not None
        for new in range(worker.next + 1, min(worker.next + 2, self.events) + 1):
            if new != but:
                events = folded(worker.next, new, worker.owner)
                commit = Commit(worker.epoch, worker.owner, worker.next, new, worker.row + events, events)
                sent = world.of(worker, worker._replace(commit=commit))
                yield f"{worker.owner} sends {worker.next}->{new}", sent._replace(commits=world.commits | {commit})

    def _time_out(self, world: World, worker: Worker, commit: Commit) -> Iterator[tuple[str, World]]:
        if self.unknown == "rebatch":
            yield from self._send(world, worker, but=commit.new)
        elif not commit.copy:
            again = commit._replace(copy=1)
            resent = world.of(worker, worker._replace(commit=again))
            yield f"{worker.owner} sends the same again", resent._replace(commits=world.commits | {again})

    def _claim_arrives(self, world: World, owner: int) -> Iterator[tuple[str, World]]:
        store = world.store.claimed(owner)
        claimed = world._replace(store=store)
        yield f"the claim of {owner} arrives, its reply is lost", claimed
        for worker in world.workers:
            if worker == Worker(owner):
                yield f"{owner} has claimed", claimed.of(worker, Worker(owner, store.epoch, store.next))

    def _commit_arrives(self, world: World, commit: Commit) -> Iterator[tuple[str, World]]:
        outcome = world.store.outcome(commit, self.rules)
        what = f"{commit.expected}->{commit.new} of {commit.owner} arrives: {outcome.value}"
        applied = world._replace(store=world.store.after(commit, self.rules))
        yield f"{what}, and the reply is lost", applied
        for worker in world.workers:
            if worker.commit == commit:
                good = outcome in (Outcome.OK, Outcome.ALREADY)
                after = worker._replace(next=commit.new, row=commit.put, commit=None) if good else IDLE
                needless = outcome is Outcome.GAP and not self.failover and self.rules == ALL
                yield what, applied.of(worker, after)._replace(needless_gap=needless)


@pytest.mark.parametrize(
    "protocol",
    [
        pytest.param(Redis(failover=False, workers=3, owners=3, events=2), id="three workers"),
        pytest.param(Redis(failover=False, owners=3), id="two workers, more events"),
        pytest.param(Redis(), id="a failover that forgets"),
    ],
)
def test_the_rows_are_the_fold_of_the_log_up_to_the_position(protocol: Redis) -> None:
    print(holds(protocol))


@pytest.mark.parametrize(
    "mistake",
    [
        pytest.param(Redis(Rules(epoch=False), failover=False), id="no fence"),
        pytest.param(Redis(Rules(inside=False), failover=False), id="writes beside the fence"),
        pytest.param(Redis(Rules(token=False)), id="an epoch without a token"),
        pytest.param(Redis(Rules(equality=False)), id="a monotone next < new instead of equality"),
        pytest.param(Redis(fenced_read=False), id="rows read outside READ"),
        pytest.param(Redis(unknown="rebatch", failover=False), id="a new batch before a resend"),
    ],
)
def test_without_one_of_its_rules_it_fails(mistake: Redis) -> None:
    fails(mistake)
