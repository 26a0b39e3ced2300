"""The worker between Kafka and a storage: what it does with messages when it is refused, revoked or sent back.

The storage checks only that a commit begins where the unit stands; which events are in it is the worker's word. Late
and lost requests are the business of the other models: here a commit is one step, with a reply or without.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import pytest

from tests.protocols.explorer import fails, holds
from tests.protocols.store import Commit, Outcome, Row, Store


class Worker(NamedTuple):
    """One member of the group; without an owner's token it has nothing in memory.

    Attributes:
        committed, position: where its next commit begins, and the next event to fold.
        fetch: the next message that Kafka brings.
        hand: messages fetched and not folded.
        pending: what was folded and is in no commit yet.
        queue: commits as they were cut, each with where it ends; the first is sent until it has a reply, then the next.
        refused: FENCED or GAP; it claims again after a poll.
    """

    owner: int = 0
    epoch: int = 0
    committed: int = 0
    position: int = 0
    fetch: int = 0
    hand: tuple[int, ...] = ()
    pending: Row = ()
    queue: tuple[tuple[int, Row], ...] = ()
    refused: bool = False
    stopped: bool = False


IDLE = Worker()


class World(NamedTuple):
    """Everything there is at one moment."""

    store: Store
    workers: tuple[Worker, ...]
    assigned: int = 0
    """Number of the member that has the partition, as the group sees it."""
    rebalances: int = 0
    owners: int = 0
    oldest: int = 0
    """The first event that the log still holds."""
    forgot: bool = False
    """The storage has forgotten its last commit, once."""
    sent_back: bool = False
    """Another unit of the partition needed older messages, once."""

    def of(self, number: int, worker: Worker) -> World:
        """With a worker changed."""
        return self._replace(workers=(*self.workers[:number], worker, *self.workers[number + 1 :]))


@dataclass(frozen=True)
class Loop:
    """The worker's rules; each flag that is False is a mistake.

    Attributes:
        drops_hand: a refused unit gives up messages in hand too.
        drops_queue: and commits that wait for their turn.
        seeks: it reads on from the position that a claim brings.
        skips: messages below the position are not folded.
        stops: a position that the log no longer holds stops the unit; otherwise it starts at the oldest.
        trouble: what happens beside crashes and rebalances: "forgets" (the storage, its last commit), "retention"
            (removes events), "sent back" (the partition is read again for another unit), or "nothing".
    """

    drops_hand: bool = True
    drops_queue: bool = True
    seeks: bool = True
    skips: bool = True
    stops: bool = True
    trouble: str = "nothing"
    owners: int = 3
    rebalances: int = 2
    events: int = 3

    @property
    def start(self) -> World:
        return World(Store(), (IDLE, IDLE))

    def done(self, world: World) -> bool:
        return world.store.next == self.events

    def wrong(self, world: World) -> str | None:
        events = tuple(event for event, _ in world.store.added)
        fold = tuple(range(world.store.next))
        return None if events == fold else f"the row has seen {events}; the fold of log[:{world.store.next}] is {fold}"

    def steps(self, world: World) -> Iterator[tuple[str, World]]:
        for number, worker in enumerate(world.workers):
            name = "AB"[number]
            for what, following in self._acts(world, number, worker):
                yield f"{name} {what}", following
            if worker != IDLE:
                yield f"{name} crashes", world.of(number, IDLE)
        if world.rebalances < self.rebalances:
            moved = world._replace(assigned=1 - world.assigned, rebalances=world.rebalances + 1)
            yield f"the group gives the partition to {'AB'[moved.assigned]}", moved
        if self.trouble == "retention" and world.oldest < self.events - 1:
            yield f"retention removes event {world.oldest}", world._replace(oldest=world.oldest + 1)
        if self.trouble == "forgets" and not world.forgot and world.store.next:
            last = world.store.next - 1
            older = world.store._replace(next=last, added=world.store.added[:last])
            yield "the storage forgets its last event", world._replace(store=older, forgot=True)

    def _acts(self, world: World, number: int, worker: Worker) -> Iterator[tuple[str, World]]:
        if worker.stopped:
            return
        yield from self._poll(world, number, worker)
        if not worker.owner or worker.refused:
            return
        if worker.hand:
            yield self._folded(world, number, worker)
        if worker.pending and len(worker.queue) < 2:
            cut = worker._replace(queue=(*worker.queue, (worker.position, worker.pending)), pending=())
            yield f"cuts a commit at {worker.position}", world.of(number, cut)
        if worker.queue:
            yield from self._commit(world, number, worker)

    def _poll(self, world: World, number: int, worker: Worker) -> Iterator[tuple[str, World]]:
        """Every poll first says whether the partition is still this member's."""
        if world.assigned != number:
            if worker != IDLE:
                yield "hears that the partition is gone, and drops all", world.of(number, IDLE)
        elif not worker.owner or worker.refused:
            yield from self._claim(world, number, worker)
        elif worker.fetch < world.oldest:
            if self.stops:
                yield "stops: the log does not hold its position", world.of(number, worker._replace(stopped=True))
            else:
                yield "starts at the oldest event", world.of(number, worker._replace(fetch=world.oldest))
        elif worker.fetch < self.events and len(worker.hand) < 2:
            fetched = worker._replace(fetch=worker.fetch + 1, hand=(*worker.hand, worker.fetch))
            yield f"fetches {worker.fetch}", world.of(number, fetched)
            if self.trouble == "sent back" and not world.sent_back and worker.fetch:
                back = worker._replace(fetch=min(worker.fetch - 1, worker.position), hand=())
                yield "seeks back for another unit", world.of(number, back)._replace(sent_back=True)

    def _claim(self, world: World, number: int, worker: Worker) -> Iterator[tuple[str, World]]:
        if world.owners == self.owners:
            return
        owner, again = world.owners + 1, worker.refused
        store = world.store.claimed(owner)
        hand = worker.hand if again and not self.drops_hand else ()
        fetch = worker.fetch if again and (not self.seeks or hand) else store.next
        queue = worker.queue if again and not self.drops_queue else ()
        claimed = Worker(owner, store.epoch, store.next, store.next, fetch, hand, queue=queue)
        after = world._replace(store=store, owners=owner).of(number, claimed)
        yield f"claims as {owner}, at {store.next}", after

    def _folded(self, world: World, number: int, worker: Worker) -> tuple[str, World]:
        event, *rest = worker.hand
        if event < worker.position and self.skips:
            return f"skips {event}", world.of(number, worker._replace(hand=tuple(rest)))
        pending = (*worker.pending, (event, 0))
        after = worker._replace(hand=tuple(rest), pending=pending, position=event + 1)
        return f"folds {event}", world.of(number, after)

    def _commit(self, world: World, number: int, worker: Worker) -> Iterator[tuple[str, World]]:
        (new, rows), *waiting = worker.queue
        commit = Commit(worker.epoch, worker.owner, worker.committed, new, (), rows)
        outcome = world.store.outcome(commit)
        what = f"commits {commit.expected}->{commit.new}: {outcome.value}"
        applied = world._replace(store=world.store.after(commit))
        if outcome in (Outcome.OK, Outcome.ALREADY):
            after = worker._replace(committed=new, queue=tuple(waiting))
        else:
            queue = () if self.drops_queue else tuple(waiting)
            after = worker._replace(pending=(), queue=queue, refused=True)
        yield what, applied.of(number, after)
        yield f"{what}, without a reply", applied


@pytest.mark.parametrize("trouble", ["nothing", "forgets", "retention", "sent back"])
def test_whatever_becomes_of_its_messages_the_row_is_the_fold_of_the_log(trouble: str) -> None:
    print(holds(Loop(trouble=trouble)))


@pytest.mark.parametrize(
    "mistake",
    [
        pytest.param(Loop(drops_hand=False), id="messages in hand are kept"),
        pytest.param(Loop(drops_queue=False, trouble="forgets"), id="commits that wait are sent after a refusal"),
        pytest.param(Loop(seeks=False), id="it reads on where it was"),
        pytest.param(Loop(skips=False, trouble="sent back"), id="nothing is skipped"),
        pytest.param(Loop(stops=False, trouble="retention"), id="it starts at the oldest event"),
    ],
)
def test_without_one_of_its_rules_it_fails(mistake: Loop) -> None:
    fails(mistake)
