"""One partition as this worker reads it: the units that share its messages, and where to read next."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from typing import Protocol

from learners.late import LateEvent
from learners.plan import outside
from learners.unit import State, Unit
from schemas.errors import MillraceError
from streams import Fetched, Rejected
from streams.rejected import LATE

log = logging.getLogger(__name__)


class Reader(Protocol):
    """What a partition asks of the consumer."""

    def seek(self, topic: str, partition: int, offset: int | None) -> None:
        """Read on from this offset (None = the beginning of the log); messages fetched before are discarded."""

    def pause(self, topic: str, partition: int) -> None:
        """Bring no messages of this partition until it is resumed."""

    def resume(self, topic: str, partition: int) -> None:
        """Bring messages again."""


class Partition:
    """Feeds every message of a partition to each of its units, whatever their positions.

    The partition is read from the lowest position of its active units, and each unit skips what lies below its own.
    When a unit drops out or comes back the reading place is worked out anew, and messages in hand are given up. What a
    unit cannot fold yet, as its storage is slow, waits here for it, and nothing more is read meanwhile.

    Args:
        bury: sends bad messages to the dead letters; returns when they are acknowledged, raises if they are not.
        log_range: (low, high) of this partition in the log.
    """

    def __init__(
        self,
        topic: str,
        partition: int,
        units: Sequence[Unit],
        bury: Callable[[Sequence[Rejected]], None],
        log_range: Callable[[str, int], tuple[int, int]],
    ) -> None:
        self.topic, self.partition, self.units = topic, partition, units
        self._bury = bury
        self._log_range = log_range
        self._head: int | None = None
        self._lost_place = False
        self._buried = -1
        self._paused = False
        self._seen: tuple[tuple[int, int], ...] = ()
        self._waited: list[Unit] = []
        self._waiting: deque[Fetched] = deque()

    @property
    def size(self) -> int:
        """About how many bytes of memory is read and not committed."""
        return sum(map(_memory, self._waiting)) + sum(unit.size for unit in self.units)

    @property
    def paused(self) -> bool:
        """Whether it is not read now."""
        return self._paused

    @property
    def held_up(self) -> list[Future[None]]:
        """The commits under way, where events wait for one of them and it was not waited for in vain before."""
        if self._paused or not self._waiting:
            return []
        return [unit.flight for unit in self.units if unit.flight is not None]

    def start(self) -> int | None:
        """Claim every unit; returns where to read from (None = the beginning). Blocks on the storage."""
        self._claim(self.units)
        self._seen = self._active_claims()
        self._head = self._lowest()
        self._lost_place = not self._seen
        return self._head

    def add(self, unit: Unit) -> None:
        """One more unit, which claims after the next poll; what lies before the reading place is read for it again."""
        self.units = [*self.units, unit]

    def polled(self) -> None:
        """A poll has returned with this partition still assigned: units that dropped out before it may claim again."""
        self._waited = [unit for unit in self.units if unit.state is State.WAITING]

    def receive(self, fetched: Fetched) -> None:
        """Bury the bad messages, then let every unit fold the good ones. Blocks while it does.

        A unit stays before an event that its learner's schema cannot read; what no unit passes is not buried.
        """
        batch = fetched.batch
        if not self._active():
            self._lost_place = True
            return
        ends = {unit: unit.bar(fetched) for unit in self._active()}
        bad = [item for item in fetched.rejected if self._buried < item.offset < max(ends.values())]
        if bad:
            try:
                self._bury(bad)
            except MillraceError as error:
                log.error("Dead letters of %s/%d are not accepted, so it waits: %s", self.topic, self.partition, error)
                self._lost_place = True
                return
            self._buried = bad[-1].offset
        self._head = batch.next
        now = time.monotonic()
        for unit, end in ends.items():
            unit.weigh(fetched if end == batch.next else fetched.until(end), now)
        buries = any(unit.buries for unit in self.units)
        self._waiting.append(fetched if buries else replace(fetched, messages=()))
        self._fold()

    def go_on(self) -> None:
        """See which commits arrived, and fold what has waited for that. Blocks while it folds."""
        for unit in self.units:
            unit.settle()
        self._fold()

    def work(self, reader: Reader, room: bool = True) -> None:
        """Between polls: fold on, claim what may be claimed again, put the reading place right; pause the reading while
        events wait here.

        Args:
            room: whether there is memory for more events.
        """
        self.go_on()
        now = time.monotonic()
        self._claim([unit for unit in self._waited if unit.due <= now])
        self._align(reader, room)

    def drain(self, until: float) -> None:
        """Block until all that was folded is committed, or that time (monotonic seconds) has come."""
        for unit in self.units:
            unit.drain(until)

    def leave(self) -> None:
        """Let every unit give up what it has in memory; nothing follows."""
        for unit in self.units:
            unit.leave()

    def outside(self, low: int, high: int) -> None:
        """The log is [low, high) and some position is not in it: those units stop, the others go on."""
        for unit in self._active():
            if high >= 0 and outside(unit.position, low, high):
                unit.stop(
                    f"its position {unit.position} lies outside the log of {self.topic}/{self.partition}, which holds "
                    f"{low} to {high}. Events are missing, so going on would be wrong: raise the learner's version, "
                    "which folds the log anew into new rows."
                )
        self._lost_place = True

    def committed(self) -> int | None:
        """The position that every unit has reached; None before that."""
        positions = [unit.committed for unit in self.units]
        known = [position for position in positions if position is not None]
        return min(known) if known and len(known) == len(positions) else None

    def _bury_late(self, fetched: Fetched, learner: str, late: Sequence[LateEvent]) -> None:
        self._bury(fetched.refused([(event.offset, LATE, event.reason(learner)) for event in late]))

    def _claim(self, units: Sequence[Unit]) -> None:
        for unit in units:
            unit.claim()
        if units and len({unit.position for unit in self._active()}) > 1:
            self._refuse_positions_outside()

    def _refuse_positions_outside(self) -> None:
        """The consumer notices when the lowest position is outside the log; the others only we can compare."""
        try:
            low, high = self._log_range(self.topic, self.partition)
        except MillraceError as error:
            for unit in self._active():
                unit.postpone(error)
            return
        if any(outside(unit.position, low, high) for unit in self._active()):
            self.outside(low, high)

    def _active(self) -> list[Unit]:
        return [unit for unit in self.units if unit.state is State.ACTIVE]

    def _fold(self) -> None:
        """Offer what waits to each unit, in order; what all have folded waits no more."""
        for unit in self.units:
            for item in self._waiting:
                unit.advance(item.batch, partial(self._bury_late, item, unit.id.learner))
                if unit.state is not State.ACTIVE or unit.position is None or unit.position < item.batch.next:
                    break
        while self._waiting and all((unit.position or 0) >= self._waiting[0].batch.next for unit in self._active()):
            self._waiting.popleft()

    def _align(self, reader: Reader, room: bool) -> None:
        claims = self._active_claims()
        changed, self._seen = claims != self._seen, claims
        if not claims:
            if not self._paused:
                reader.pause(self.topic, self.partition)
            self._paused = self._lost_place = True
            self._waiting.clear()
            return
        lowest = self._lowest()
        if self._lost_place or (changed and lowest != self._head):
            reader.seek(self.topic, self.partition, lowest)
            self._head, self._lost_place = lowest, False
            self._waiting.clear()
        pause = not room or bool(self._waiting)
        if pause != self._paused:
            (reader.pause if pause else reader.resume)(self.topic, self.partition)
            self._paused = pause

    def _active_claims(self) -> tuple[tuple[int, int], ...]:
        return tuple((n, unit.claims) for n, unit in enumerate(self.units) if unit.state is State.ACTIVE)

    def _lowest(self) -> int | None:
        positions = [unit.position for unit in self._active()]
        known = [position for position in positions if position is not None]
        return min(known) if known and len(known) == len(positions) else None


def _memory(item: Fetched) -> int:
    """Bytes of a frame, and of the messages that are kept for late events, or to be passed on."""
    return int(item.batch.frame.estimated_size()) + sum(map(len, item.messages or item.batch.messages))
