"""One partition as this worker reads it: the units that share its messages, and where to read next."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
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
    When a unit drops out or comes back the reading place is worked out anew, and messages in hand are given up.

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
        """Bury the bad messages, then let every unit fold the good ones. Blocks while it does."""
        batch = fetched.batch
        if not self._active():
            self._lost_place = True
            return
        bad = [item for item in fetched.rejected if item.offset > self._buried]
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
        for unit in self.units:
            unit.weigh(fetched, now)
            unit.advance(batch, partial(self._bury_late, fetched, unit.id.learner))

    def work(self, reader: Reader) -> None:
        """Between polls: see which commits arrived, claim what may be claimed again, put the reading place right."""
        for unit in self.units:
            unit.settle()
        now = time.monotonic()
        self._claim([unit for unit in self._waited if unit.due <= now])
        self._align(reader)

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

    def _align(self, reader: Reader) -> None:
        claims = self._active_claims()
        changed, self._seen = claims != self._seen, claims
        if not claims:
            if not self._paused:
                reader.pause(self.topic, self.partition)
            self._paused = self._lost_place = True
            return
        lowest = self._lowest()
        if self._lost_place or (changed and lowest != self._head):
            reader.seek(self.topic, self.partition, lowest)
            self._head, self._lost_place = lowest, False
        if self._paused:
            reader.resume(self.topic, self.partition)
            self._paused = False

    def _active_claims(self) -> tuple[tuple[int, int], ...]:
        return tuple((n, unit.claims) for n, unit in enumerate(self.units) if unit.state is State.ACTIVE)

    def _lowest(self) -> int | None:
        positions = [unit.position for unit in self._active()]
        known = [position for position in positions if position is not None]
        return min(known) if known and len(known) == len(positions) else None
