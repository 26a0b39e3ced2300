"""Relational: one transaction, which begins with a conditional update of the unit and so holds the unit's lock.

A COMMIT may be on its way when its worker dies, and be carried out late or not at all; a connection that breaks rolls
back, but only when the server notices. No failover that forgets: that is the model of `test_redis.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import pytest

from tests.protocols.explorer import fails, holds
from tests.protocols.store import ALL, Commit, Outcome, Row, Rules, Store, folded

UPDATED, WRITTEN, COMMITTING = "the unit is updated", "the rows are written", "COMMIT is on its way"
UNCHECKED = Rules(epoch=False, equality=False)


class Worker(NamedTuple):
    """A process on the unit; see `test_redis.Worker`."""

    owner: int = 0
    epoch: int = 0
    next: int = 0
    row: Row | None = None
    commit: Commit | None = None


IDLE = Worker()


class Transaction(NamedTuple):
    """An open one, and what it has done so far."""

    commit: Commit
    stage: str


class World(NamedTuple):
    """Everything there is at one moment."""

    store: Store
    workers: tuple[Worker, ...]
    open: frozenset[Transaction] = frozenset()
    claims: frozenset[int] = frozenset()
    owners: int = 0

    def of(self, old: Worker, new: Worker) -> World:
        """With a worker changed; in order of their tokens, as which process is which means nothing."""
        rest = list(self.workers)
        rest.remove(old)
        return self._replace(workers=tuple(sorted([*rest, new], key=lambda worker: worker.owner)))

    def at(self, transaction: Transaction, stage: str | None) -> World:
        """With a transaction gone on, or over."""
        others = self.open - {transaction}
        return self._replace(open=others if stage is None else others | {transaction._replace(stage=stage)})


@dataclass(frozen=True)
class Relational:
    """The protocol; each flag that is False is a mistake.

    Attributes:
        conditional: the update of the unit says for which epoch, owner and position; otherwise a SELECT before decides.
        transaction: the update and the rows are one transaction; otherwise each statement commits by itself.
        one_snapshot: rows are loaded in the snapshot that shows the claim; otherwise before it.
    """

    conditional: bool = True
    transaction: bool = True
    one_snapshot: bool = True
    workers: int = 2
    owners: int = 3
    events: int = 3

    @property
    def start(self) -> World:
        return World(Store(), (IDLE,) * self.workers)

    def done(self, world: World) -> bool:
        return world.store.next == self.events

    def wrong(self, world: World) -> str | None:
        return None if world.open and not self.transaction else world.store.wrong()

    def steps(self, world: World) -> Iterator[tuple[str, World]]:
        for worker in dict.fromkeys(world.workers):
            yield from self._acts(world, worker)
            if worker is not IDLE:
                yield f"{worker.owner} crashes", world.of(worker, IDLE)
        if not world.open or not self.conditional:
            for owner in world.claims:
                yield from self._claim_arrives(world._replace(claims=world.claims - {owner}), owner)
        for transaction in world.open:
            yield from self._goes_on(world, transaction)

    def _acts(self, world: World, worker: Worker) -> Iterator[tuple[str, World]]:
        if worker == IDLE:
            if world.owners < self.owners:
                owner = world.owners + 1
                asked = world.of(worker, Worker(owner, row=None if self.one_snapshot else world.store.put))
                yield f"{owner} asks for the unit", asked._replace(owners=owner, claims=world.claims | {owner})
        elif worker.epoch and worker.row is None:
            fresh = world.store.owned(worker.epoch, worker.owner) and world.store.next == worker.next
            yield f"{worker.owner} loads", world.of(worker, worker._replace(row=world.store.put) if fresh else IDLE)
        elif worker.commit is not None:
            yield from self._statement(world, worker, worker.commit)
        elif worker.epoch and worker.row is not None:
            for new in range(worker.next + 1, min(worker.next + 2, self.events) + 1):
                events = folded(worker.next, new, worker.owner)
                commit = Commit(worker.epoch, worker.owner, worker.next, new, worker.row + events, events)
                yield f"{worker.owner} folds {worker.next}->{new}", world.of(worker, worker._replace(commit=commit))

    def _statement(self, world: World, worker: Worker, commit: Commit) -> Iterator[tuple[str, World]]:
        """The next statement of a worker's transaction. The first waits while another transaction has the lock."""
        mine = next((item for item in world.open if item.commit == commit), None)
        if mine is None:
            if not world.open or not self.conditional:
                yield from self._begin(world, worker, commit)
        elif mine.stage != COMMITTING:
            stage = WRITTEN if mine.stage == UPDATED else COMMITTING
            yield f"{worker.owner}: {stage}", self._written(world, mine, stage).at(mine, stage)
        elif not commit.copy:
            again = world.of(worker, worker._replace(commit=commit._replace(copy=1)))
            yield f"{worker.owner} hears nothing and begins the same again", again

    def _begin(self, world: World, worker: Worker, commit: Commit) -> Iterator[tuple[str, World]]:
        outcome = world.store.outcome(commit)
        what = f"{worker.owner} begins {commit.expected}->{commit.new}: {outcome.value}"
        if outcome is Outcome.OK:
            begun = world._replace(open=world.open | {Transaction(commit, UPDATED)})
            if not self.transaction:
                begun = begun._replace(store=world.store._replace(next=commit.new))
            yield what, begun
        else:
            yield what, self._answered(world, commit, outcome)

    def _written(self, world: World, transaction: Transaction, stage: str) -> World:
        if self.transaction or stage != WRITTEN:
            return world
        store, commit = world.store, transaction.commit
        return world._replace(store=store._replace(put=commit.put, added=store.added + commit.adds))

    def _goes_on(self, world: World, transaction: Transaction) -> Iterator[tuple[str, World]]:
        """What the server does with a transaction by itself."""
        commit = transaction.commit
        over = world.at(transaction, None)
        if all(worker.commit != commit for worker in world.workers):
            yield f"the server notices that {commit.owner} has gone", over
        if transaction.stage == COMMITTING:
            if self.transaction:
                rules = ALL if self.conditional else UNCHECKED
                over = over._replace(store=world.store.after(commit, rules)._replace(next=commit.new))
            yield f"{commit.expected}->{commit.new} of {commit.owner} is committed, the reply is lost", over
            answered = self._answered(over, commit, Outcome.OK)
            yield f"{commit.expected}->{commit.new} of {commit.owner} is committed", answered

    def _answered(self, world: World, commit: Commit, outcome: Outcome) -> World:
        for worker in world.workers:
            if worker.commit == commit:
                good = outcome in (Outcome.OK, Outcome.ALREADY)
                after = worker._replace(next=commit.new, row=commit.put, commit=None) if good else IDLE
                return world.of(worker, after)
        return world

    def _claim_arrives(self, world: World, owner: int) -> Iterator[tuple[str, World]]:
        store = world.store.claimed(owner)
        claimed = world._replace(store=store)
        yield f"the claim of {owner} arrives, its reply is lost", claimed
        for worker in world.workers:
            if worker.owner == owner and not worker.epoch:
                new = worker._replace(epoch=store.epoch, next=store.next)
                yield f"{owner} has claimed", claimed.of(worker, new)


@pytest.mark.parametrize(
    "protocol",
    [
        pytest.param(Relational(), id="two workers"),
        pytest.param(Relational(workers=3, events=2), id="three workers"),
    ],
)
def test_the_rows_are_the_fold_of_the_log_up_to_the_position(protocol: Relational) -> None:
    print(holds(protocol))


@pytest.mark.parametrize(
    "mistake",
    [
        pytest.param(Relational(conditional=False), id="select, decide, write"),
        pytest.param(Relational(transaction=False), id="rows and position in two transactions"),
        pytest.param(Relational(one_snapshot=False), id="rows loaded before the claim"),
    ],
)
def test_without_one_of_its_rules_it_fails(mistake: Relational) -> None:
    fails(mistake)
