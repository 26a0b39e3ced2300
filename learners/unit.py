"""One learner on one partition: claimed, folded, committed. The unit of ownership and of recovery."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from concurrent.futures import wait as waited
from dataclasses import replace
from enum import Enum
from functools import partial
from uuid import uuid4

from learners.bad_events import BadEvents
from learners.commit import Commit
from learners.declaration import Declaration
from learners.emitter import NOBODY, Emits
from learners.errors import FoldFailed, LearnerError
from learners.flights import Flight, Flights
from learners.fold import Fold
from learners.late import LateEvent
from learners.plan import BYTES_PER_COMMIT, CALM, QUEUED, ROWS_PER_COMMIT, FoldSize, Then, after_error, pause, weight
from learners.telling import Telling
from learners.trace import Trace
from storage import Address, Claim, UnitId
from storage.errors import Fenced, StorageError, SuspectGeneration
from storage.technology import Commits
from streams import Batch, Fetched

log = logging.getLogger(__name__)

Bury = Callable[[Sequence[LateEvent]], None]
"""Sends late events of the batch at hand to the dead letters; returns when they are acknowledged."""
EMITTED = (
    "a learner emits the events of {0}, and may emit them again after a crash. Say so, that repeats are dropped: "
    "`mr.stream({0!r}, emitted=True)`, with the next version if this has folded emitted events before."
)


class State(Enum):
    """Whether a unit folds: it waits to be claimed (again), is active, stands still until somebody lets it go on (too
    many events were bad, or one cannot be read), or has stopped for good."""

    WAITING = "waiting"
    ACTIVE = "active"
    PAUSED = "paused"
    STOPPED = "stopped"


class Unit:
    """Folds batches into rows and commits them with its position, at most one commit under way.

    While a commit is under way in the executor's thread the next ones are folded already, and wait for it; where
    `QUEUED` are full before the first has arrived, `advance` folds no further. Every other method belongs to one
    thread. No failure leaves a method: what follows it is `plan`'s to say and shows in `state`.

    Attributes:
        position: the next offset to fold; None = the beginning of the log.
        committed: the position that the storage has acknowledged.
        due: when (monotonic seconds) a waiting unit may claim again.
        claims: how often it was claimed; another number means that positions may have moved back.
        problem: why it does not fold, in one line; None while all is well.
        unreadable: it is paused before an event that its learner's schema cannot read.
        failure: what it gave up for last.
        folded, commits, commit_seconds: events folded, commits acknowledged, and how long those took together.

    Args:
        rows: that a commit may hold, as `Writes.rows` counts them.
        patient: whether what is folded waits for the interval, or for a commit that is full, where nobody waits for it.
        gives_up: whether it stops, instead of trying again, where another claims it or its learner raises.
    """

    def __init__(
        self,
        unit: UnitId,
        declaration: Declaration,
        commits: Commits,
        committer: Executor,
        trace: Trace,
        interval: float,
        emitter: Emits = NOBODY,
        rows: int = ROWS_PER_COMMIT,
        patient: bool = False,
        gives_up: bool = False,
    ) -> None:
        self.id = unit
        self.state = State.WAITING
        self.position: int | None = None
        self.committed: int | None = None
        self.due = 0.0
        self.claims = 0
        self.problem: str | None = None
        self.unreadable = False
        self.failure: BaseException | None = None
        self._rows, self._patient, self._gives_up = rows, patient, gives_up
        self.folded = self.commits = 0
        self.commit_seconds = 0.0
        self._declaration = declaration
        self._commits = commits
        self._committer = committer
        self._trace = trace
        self._interval = interval
        self._emitter = emitter
        self._troubles, self._telling = CALM, Telling()
        self._size = FoldSize(most=rows)
        self._claim: Claim | None = None
        self._fold: Fold | None = None
        self._sent: int | None = None
        self._sent_at = 0.0
        self._flights = Flights(commits, committer)
        self._unread: StorageError | None = None
        self._hurdle: int | None = None
        self._bad = BadEvents(declaration.stop_at)
        self._full = self._reads = self._reads_back = False
        self._weight = self._pending = 0
        self._bury: Bury = _nowhere
        self._buried = -1

    def claim(self) -> None:
        """Take the unit over, whoever had it, and learn its position. Blocks for one exchange with the storage.
        A paused one is left alone."""
        if self.state is State.PAUSED:
            return
        try:
            self._claim = self._commits.claim(self.id, uuid4().hex)
            self._fold = Fold(self._declaration, self._read, self.id.partition)
        except Exception as error:
            self._fail(error)
            return
        self.position = self.committed = self._sent = self._claim.next
        self.state, self.problem = State.ACTIVE, None
        self.claims += 1
        self._trace.claimed(self.id.learner, (self.id.topic, self.id.partition, self.position))

    @property
    def size(self) -> int:
        """About how many bytes of memory is folded and not committed."""
        return self._flights.size + self._pending

    @property
    def flight(self) -> Future[None] | None:
        """The commit under way, to be waited for."""
        return self._flights.first

    @property
    def buries(self) -> bool:
        """Whether it sends late events to the dead letters."""
        return self._declaration.late is not None and self._declaration.late.otherwise == "dead_letter"

    def advance(self, batch: Batch, bury: Bury | None = None) -> None:
        """Fold what of the batch lies at or above the position, committing on the way. Stops short of its end where a
        commit is full while the one before is under way. Blocks while it folds, reads rows back, or buries late
        events."""
        if self.state is not State.ACTIVE:
            return
        if batch.sources is not None and self._declaration.marks is None:
            self.stop(EMITTED.format(batch.topic))
            return
        self._bury = bury or _nowhere
        if self._bad.barrier is not None:
            batch = batch.until(self._bad.barrier.offset)
        try:
            rest = batch if self.position is None else batch.since(self.position)
            while (self.position is None or self.position < batch.next) and self._has_room():
                rest = self._step(rest)
            if not self._patient or self._full or time.monotonic() - self._sent_at >= self._interval:
                self._commit_when_free()
        except Exception as error:
            self._fail(error)

    def weigh(self, fetched: Fetched, now: float) -> None:
        """Before they are folded: count the bad ones among these events, each once, and pause where there are too many
        for too long. `now` is in seconds of a steady clock."""
        if self.state is State.ACTIVE:
            problem = self._bad.weigh(fetched, self.position or 0, now)
            if problem is not None:
                self.pause(problem)

    def bar(self, fetched: Fetched) -> int:
        """Fold no further than to the first of these events that is still to be folded, and that the learner's schema
        cannot read; it pauses there once everything before is committed. One before the offset at which it was last
        let go on counts as bad instead.

        Returns:
            the offset up to which these events are folded.
        """
        return self._bad.bar(fetched, self.position or 0)

    def pause(self, problem: str, unreadable: bool = False) -> None:
        """Fold no more until `go_on`, and say why, loudly."""
        self._forget()
        self.state, self.problem, self.unreadable = State.PAUSED, problem, unreadable
        log.error("%s stands still: %s", self, problem)

    def go_on(self, past: int | None) -> None:
        """Claim again, if it was paused; of the bad events only those from the offset `past` on are counted."""
        self._bad.go_on(past)
        if self.state is State.PAUSED:
            self.state, self.problem, self.due = State.WAITING, None, 0.0

    def settle(self) -> None:
        """Look whether the commit under way has arrived, and send what was folded meanwhile."""
        if self.state is not State.ACTIVE:
            return
        try:
            self._land(wait=False)
            self._commit_when_free()
        except Exception as error:
            self._fail(error)
        else:
            self._pause_at_barrier()

    def drain(self, until: float | None = None) -> None:
        """Block until all that was folded is committed, or the unit has given up.

        Args:
            until: monotonic seconds at which it waits no more; None = it waits as long as it takes.
        """
        self.settle()
        while self.flight is not None:
            if not waited([self.flight], None if until is None else max(0.0, until - time.monotonic())).done:
                return
            self.settle()

    def stop(self, problem: str) -> None:
        """Fold no more, and say why, loudly."""
        self._forget()
        self.state, self.problem = State.STOPPED, problem
        log.error("%s has stopped: %s", self, problem)

    def leave(self) -> None:
        """Give up all that is in memory; what waits is not sent."""
        self._forget()

    def postpone(self, error: Exception) -> None:
        """Give the unit up for now, because of something outside it; it is claimed again later."""
        self._fail(error)

    @property
    def overtaken(self) -> bool:
        """Whether it has stopped because another has claimed it."""
        return self.state is State.STOPPED and isinstance(self.failure, Fenced)

    def __str__(self) -> str:
        return f"Learner {self.id.learner}@{self.id.version} on {self.id.topic}/{self.id.partition}"

    def _step(self, rest: Batch) -> Batch:
        """Fold the first part of what is left; returns the remainder."""
        assert self._fold is not None
        assert self._claim is not None
        size = max(1, self._size.next(self._weight))
        part = rest if rest.rows <= size else next(iter(rest.split(size)))
        cut = self._claim.cut(self.position)
        if cut is not None and cut < part.next:
            part = part.until(cut)
        if part.rows:
            self._learn(part)
        self.position = part.next
        self._full = self.position == cut or self._weight >= self._rows
        return rest if part is rest else rest.since(part.next)

    def _has_room(self) -> bool:
        """Whether more can be folded now; sends what must be committed before that."""
        assert self._fold is not None
        self._land(wait=False)
        if self._flights and self._reads_back:
            return False  # it would wait for that commit within the fold
        if self.position == self._sent:  # a model is no row before it is committed
            return True
        full = self._full or self._hurdle is not None or not self._size.next(self._weight)
        if self._flights and not (full and len(self._flights) < self._queued):
            return not full
        if full or time.monotonic() - self._sent_at >= self._interval:
            self._commit()
        return True

    def _learn(self, part: Batch) -> None:
        assert self._fold is not None
        before = self._weight
        self._unread = None
        try:
            self._fold.fold(part)
        except FoldFailed as error:
            if isinstance(error.__cause__, SuspectGeneration):  # a row that was read and makes no sense
                raise error.__cause__ from None
            if self._unread is None:
                self._hurdle = error.next
                raise
        if self._unread is not None:  # also when the learner has swallowed it: what it folded then is wrong
            raise self._unread
        self._bury_late()
        self.folded += part.rows
        writes, outbox = self._fold.session.writes, self._fold.outbox
        self._pending = writes.size + outbox.size
        self._weight = weight(writes.rows + len(outbox), self._pending, self._rows)
        if self._hurdle is None:
            self._size = self._size.after(part.rows, max(0, self._weight - before))

    def _bury_late(self) -> None:
        """Before the position passes them. What was acknowledged before is late again when it is folded again."""
        assert self._fold is not None
        late = [event for event in self._fold.refused if event.offset > self._buried]
        self._fold.refused.clear()
        if late:
            self._bury(late)
            self._buried = late[-1].offset

    def _read(self, addresses: Sequence[Address]) -> list[bytes | None]:
        """Committed rows of this unit, under its fence, at the position that the fold stands on."""
        assert self._claim is not None
        self._reads = True
        try:
            self._land(wait=True)
            return self._commits.read(self._claim, self.committed, addresses)
        except StorageError as error:
            self._unread = error
            raise

    def _pause_at_barrier(self) -> None:
        """Pause before the event that cannot be read, where everything before it is committed."""
        event = self._bad.barrier
        if event is None or self._flights or (self.position or 0) < event.offset:
            return
        self.pause(
            f"the event at offset {event.offset} cannot be read. {event.reason} Nothing is skipped: "
            "give the learner an event type that reads it too, or pass it over: millrace dead-letters resume "
            f"{self.id.learner}",
            unreadable=True,
        )

    def _commit_when_free(self) -> None:
        if not self._flights and self.position != self._sent:
            self._commit()

    def _commit(self) -> None:
        assert self._claim is not None
        assert self._fold is not None
        assert self.position is not None
        commit = Commit(self._claim, self._sent, self.position, self._fold.session.take(), self._fold.watermark_ms)
        self._sent, self._sent_at = self.position, time.monotonic()
        self._full, size = False, commit.writes.size + self._fold.outbox.size
        self._weight = self._pending = 0
        self._reads_back, self._reads = self._reads, False
        send, emitted = partial(self._flights.send, commit), self._fold.outbox.take()
        future = self._emitter.emit(self.id, emitted, send) if emitted else send()
        self._flights.add(Flight(commit.new, size, self._sent_at, future))

    @property
    def _queued(self) -> int:
        """So many commits may be under way, or wait: one where it reads rows back, which waits for all of them, where
        it emits, as what was emitted for a commit must not be overtaken, and where they would take much memory."""
        if self._reads or self._declaration.emits or self._flights.size >= BYTES_PER_COMMIT:
            return 1
        return QUEUED

    def _land(self, wait: bool) -> None:
        """See what has arrived."""
        for flight in self._flights.landed(wait):
            assert self._fold is not None
            self.commits, self.commit_seconds = self.commits + 1, self.commit_seconds + time.monotonic() - flight.at
            if not self._flights:
                self._fold.session.committed()
            self.committed = flight.new
            if self._hurdle is not None and flight.new >= self._hurdle:
                self._hurdle = None
            self._troubles = CALM if self._hurdle is None else replace(CALM, failures=self._troubles.failures)
            self._trace.committed(self.id.learner, (self.id.topic, self.id.partition, flight.new))

    def _fail(self, error: BaseException) -> None:
        self.failure = error
        then, self._troubles = after_error(error, self._troubles, self._size if self._gives_up else None)
        if then is Then.STOP:
            self.stop(f"{error} Rebuild it as a new version of the learner once the cause is clear.")
            return
        wait = 0.0 if then in (Then.GIVE_UP, Then.NARROW) else pause(self._troubles, random.random())
        self._forget()
        self.state = State.STOPPED if then is Then.GIVE_UP else State.WAITING
        self.problem, self.due = str(error), time.monotonic() + wait
        if then in (Then.RETRY, Then.NARROW):
            self._size = self._size.after_failure()
        if then is Then.RETRY:
            log.error(
                "%s (unit retried in %.1f s; no event is skipped)", error, wait, exc_info=self._telling.untold(error)
            )
        elif then is Then.RECLAIM:
            log.warning("%s claims again in %.2f s: %s", self, wait, error)

    def _forget(self) -> None:
        self._flights.close()
        self._flights = Flights(self._commits, self._committer)
        self._fold = self._claim = self._bad.barrier = None
        self._full = False
        self._weight = self._pending = 0


def _nowhere(late: Sequence[LateEvent]) -> None:
    """For a log without dead letters, whose units cannot leave late events out so."""
    raise LearnerError(f"{len(late)} late events belong in the dead letters, and there are none.")
