"""Every answer becomes an event: queued while it is given, sent soon after, on disk while Kafka is away."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import msgspec

from schemas import Decision
from schemas.errors import MalformedEvent, MillraceError
from serving.decisions.backlog import Backlog, Waiting
from serving.decisions.entry import Entry, body_of, key_of, spooled, unspooled, values_of
from serving.decisions.tally import Tally
from serving.sender import OnDelivery, QuickSender
from serving.spool import Found, Place, Spool

LOGGER = logging.getLogger("millrace.decisions")
LIMIT = 10_000
"""Decisions in memory at most; further ones are dropped, and counted."""
GATHERING = 0.05
"""Seconds for which decisions gather: what is sent together costs less, here and in Kafka."""
TOGETHER = 64
"""Decisions that are sent in one turn of the event loop."""
LOOK = 0.1
"""Seconds between two looks at whether Kafka is away."""
AT_ONCE = 2_000
"""Decisions of the spool that are under way at a time."""


class DecisionLog:
    """Takes entries without ever waiting, and hands them to the sender on the event loop that gives the answers: a
    thread that did would take turns with it for each of them, which costs more than the sending. Where the sender would
    have to wait, a thread hands them over; another keeps what Kafka does not take.

    Where Kafka takes nothing for two seconds, everything that is not acknowledged goes to the spool, and what follows
    after it. When Kafka is back the spool is sent from its oldest decision on. So each decision that the spool took is
    logged at least once, and twice only where the process ended between Kafka's acknowledgement and its note of it.

    A decision is dropped when `limit` others are in memory and the spool takes none, or when Kafka refuses it.

    Args:
        spool: None = there is none; then a Kafka that is away for long fills the queue.
    """

    def __init__(self, sender: QuickSender, spool: Spool | None = None, limit: int = LIMIT) -> None:
        self._sender, self._spool, self._limit = sender, spool, limit
        self._entries: deque[Entry] = deque()
        self._backlog = Backlog()
        self._wake, self._closing, self._ended = threading.Event(), threading.Event(), threading.Event()
        self._lock = threading.RLock()
        self._settled = threading.Condition(self._lock)
        self._tally, self._lost = Tally(), 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._called = False
        self._handing = False  # whether some are between here and the sender: so that no other overtakes them there
        self._spooling = spool is not None
        self._saving = self._said = False
        self._threads = [
            threading.Thread(target=self._send, name="millrace-decisions", daemon=True),
            threading.Thread(target=self._keep, name="millrace-spool", daemon=True),
        ]

    def start(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        """Begin to send.

        Args:
            loop: on which this and `put` are called; None = no event loop runs there, and the thread hands over
                everything.
        """
        self._loop = loop
        for thread in self._threads:
            thread.start()

    def put(self, entry: Entry) -> None:
        """Take one answer. For one thread, that of the event loop; never blocks."""
        tally = self._tally
        tally.answers += 1
        if tally.queued > self._limit:
            tally.overflowed += 1
            return
        self._entries.append(entry)
        if self._loop is None:
            self._wake.set()
        elif not self._called:
            self._called = True
            self._loop.call_later(GATHERING, self._hand_over)

    def counts(self) -> dict[str, int]:
        """Answers given, and what became of their decisions: logged, queued in memory, spooled on disk or dropped.
        `recovered` are those that an earlier process had left in the spool, `spool_seconds` is its oldest one's age."""
        with self._lock:
            tally, oldest = self._tally, self._backlog.first_spooled
            age = 0.0 if oldest is None else time.time() - oldest.entry.id.at_ms / 1000
            return {
                "answers": tally.answers,
                "recovered": tally.recovered,
                "logged": tally.logged,
                "queued": tally.queued,
                "spooled": tally.spooled,
                "dropped": tally.dropped,
                "spool_bytes": 0 if self._spool is None else self._spool.size,
                "spool_seconds": max(0, round(age)),
            }

    def close(self, timeout: float) -> None:
        """Send what is queued and wait until Kafka has it, for half the time; then what is left goes to the spool.
        Blocks up to `timeout` seconds; what is then left is said."""
        self._closing.set()
        self._wake.set()
        with self._settled:
            if not self._settled.wait_for(lambda: not self._tally.queued, timeout / 2):
                self._saving = True
                self._settled.wait_for(lambda: not self._tally.queued, timeout / 2)
            left, kept = self._tally.queued, self._tally.spooled
        self._ended.set()
        self._wake.set()
        if self._spool is not None:
            self._threads[1].join(timeout)
        if left:
            LOGGER.error("%d decisions were not acknowledged before the service stopped; they may be lost.", left)
        if kept:
            LOGGER.warning("%d decisions are in the spool and are sent when the service starts again.", kept)

    def _hand_over(self) -> None:
        """Send what can be sent without waiting, a few in each turn of the event loop."""
        assert self._loop is not None
        found = self._oldest(TOGETHER)
        taken = 0
        while taken < len(found) and self._was_taken(self._offer, *found[taken]):
            taken += 1
            if self._backlog.ready:  # it has to wait after all, and none may overtake it
                break
        if found:
            self._handed([number for number, _ in found[taken:]])
        self._called = taken == TOGETHER
        if self._called:
            self._loop.call_soon(self._hand_over)
        elif self._entries or self._backlog.ready:
            self._wake.set()

    def _oldest(self, most: int) -> list[tuple[int, Entry]]:
        """The decisions that are to be handed over now, after their numbers; until they were, no other is."""
        now = time.monotonic()
        with self._lock:
            if self._handing or self._backlog.ready or self._spooling:
                return []
            entries = self._entries
            found = [entries.popleft() for _ in range(min(most, len(entries)))]
            self._handing = bool(found)
            return [(self._backlog.add_sent(entry, now), entry) for entry in found]

    def _offer(self, entry: Entry, on_delivery: OnDelivery) -> bool:
        return self._sender.offer(Decision.event_type, body_of(entry), key_of(entry), on_delivery)

    def _send(self) -> None:
        """The thread that sends. It may be held up by the sender, for as long as that likes."""
        while not self._ended.is_set():
            self._wake.wait(None if not self._backlog.ready else LOOK)
            self._closing.wait(GATHERING)
            self._wake.clear()  # before it looks, so that what comes meanwhile is looked at too
            while not self._ended.is_set() and self._sent_one():
                pass

    def _sent_one(self) -> bool:
        """Hand the oldest decision over; False if there is none that may be sent now."""
        found = self._next()
        if found is None:
            return False
        self._was_taken(self._send_now, *found)
        self._handed([])
        return True

    def _send_now(self, entry: Entry, on_delivery: OnDelivery) -> bool:
        self._sender.send(Decision.event_type, values_of(entry), on_delivery)
        return True

    def _was_taken(self, hand: Callable[[Entry, OnDelivery], bool], number: int, entry: Entry) -> bool:
        """Hand a decision over; False if it has to wait."""
        on_delivery = partial(self._on_delivery, number)
        try:
            return hand(entry, on_delivery)
        except Exception as error:
            on_delivery(error, -1, -1)
            return True

    def _handed(self, back: Sequence[int]) -> None:
        """All were handed over, but for these, which go back to the front."""
        if back:
            with self._lock:
                for number in back:
                    self._backlog.back(number)
        self._handing = False

    def _next(self) -> tuple[int, Entry] | None:
        """The decision that the thread is to hand over now, and its number; until it was, no other is."""
        now = time.monotonic()
        with self._lock:
            if self._handing:
                return None
            found = None
            if self._backlog.ready:
                found = self._backlog.next(now)
            elif self._entries and not self._spooling:
                entry = self._entries.popleft()
                found = self._backlog.add_sent(entry, now), entry
            self._handing = found is not None
            return found

    def _on_delivery(self, number: int, error: Exception | None, partition: int, offset: int) -> None:
        passes = isinstance(error, MillraceError) and error.passes  # any other error is about the decision itself
        with self._lock:
            said, self._said = self._said, passes
            if passes:
                self._backlog.again(number, time.monotonic())
                self._wake.set()
            else:
                self._tally.spooled -= self._backlog.done(number, error is None).place is not None
                self._tally.logged += error is None
                self._tally.failed += error is not None
                if self._closing.is_set():  # else nobody waits for it
                    self._settled.notify_all()
            failed = self._tally.failed
        if error is None:
            return
        if not passes and failed % 1000 == 1:
            LOGGER.error("%d decisions were not logged so far; the last because: %s", failed, error)
        elif passes and not said:
            LOGGER.warning("Decisions wait: %s", error)

    def _keep(self) -> None:
        """The thread that owns the spool; no other touches its files."""
        if self._spool is None:
            return
        found = 0
        try:
            found = self._spool.open()
        except Exception:  # decisions go to Kafka all the same
            LOGGER.exception("The spool could not be opened.")
        with self._lock:
            self._tally.recovered = self._tally.spooled = found
        if found:
            LOGGER.warning("%d decisions were left in the spool; they are sent first.", found)
        try:
            while not self._ended.is_set():
                self._looked(self._spool)
                self._ended.wait(LOOK)
            self._looked(self._spool)
        finally:
            self._spool.close()

    def _looked(self, spool: Spool) -> None:
        try:
            self._look(spool)
        except Exception:  # it must not end what keeps decisions
            LOGGER.exception("The spool could not be looked after.")

    def _look(self, spool: Spool) -> None:
        with self._lock:
            begin = not self._spooling and self._must_spool
            self._spooling |= begin
            waiting = self._backlog.in_memory_only if begin else {}
        if waiting:
            self._spool_waiting(spool, waiting)
        if self._spooling:
            self._refill(spool)
            with self._lock:
                self._spooling = self._must_spool or not spool.at_end
            if self._spooling:
                self._spool_entries(spool)
            self._wake.set()
        with self._lock:
            oldest = self._backlog.first_spooled
        spool.release(None if oldest is None else oldest.place)

    @property
    def _must_spool(self) -> bool:
        crowded = len(self._entries) > self._limit // 2  # the sender is held up
        return self._saving or crowded or self._backlog.away(time.monotonic())

    def _spool_waiting(self, spool: Spool, waiting: Mapping[int, Waiting]) -> None:
        """Keep what was handed out already; all of the spool was read before, so that these are its next records."""
        taken = spool.append([spooled(one.entry) for one in waiting.values()])
        read = spool.read(taken)
        with self._lock:
            for number, record in zip(waiting, read, strict=False):
                if number in self._backlog:  # else it was acknowledged meanwhile
                    waiting[number].place = record.place
                    self._tally.spooled += 1
            self._settled.notify_all()

    def _spool_entries(self, spool: Spool) -> None:
        """Move what was not handed out, as far as there is room; the rest stays in the queue."""
        while batch := [self._entries.popleft() for _ in range(min(len(self._entries), AT_ONCE))]:
            taken = spool.append([spooled(entry) for entry in batch])
            with self._lock:
                self._tally.spooled += taken
                self._settled.notify_all()
            if taken < len(batch):
                self._entries.extendleft(reversed(batch[taken:]))
                return

    def _refill(self, spool: Spool) -> None:
        """Hand out the next of the spool."""
        found = [self._read(spool, record) for record in spool.read(max(0, AT_ONCE - len(self._backlog)))]
        with self._lock:
            for entry, place in found:
                if entry is not None:
                    self._backlog.add(entry, place)
            lost, self._lost = spool.lost - self._lost, spool.lost
            self._tally.spooled -= lost
            self._tally.failed += lost

    @staticmethod
    def _read(spool: Spool, record: Found) -> tuple[Entry | None, Place]:
        try:
            return unspooled(record.body), record.place
        except (msgspec.MsgspecError, MalformedEvent) as error:
            spool.lost += 1
            LOGGER.error("A decision of the spool cannot be read and is dropped: %s", error)
            return None, record.place
