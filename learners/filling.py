"""Units of a new version filled from what is kept of their log, as a worker would fill them from the log itself.

A unit is claimed, folded and committed by the protocol that live units have; only where its events come from is another
place. So whoever is killed on the way has lost nothing but time: the committed position says where to go on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import wait
from threading import Event

from learners.errors import FoldFailed, RebuildStopped
from learners.late import LateEvent
from learners.unit import State, Unit
from streams import Batch

Source = Callable[[Mapping[int, int]], Iterable[Batch]]
"""The batches of all partitions, those of each one behind the other, from these offsets on; a partition that is left
out from its beginning."""


class Filling:
    """Fills the units of a learner, in the thread that asks.

    Args:
        source: is read from its beginning to its end, again where a unit has to be claimed again.
        stop: ends it at the next batch; what is folded until then is committed.
        advanced: is told a unit whenever it may have moved.

    Attributes:
        late: events that were left out because they came late.
    """

    def __init__(self, source: Source, stop: Event, advanced: Callable[[Unit], None]) -> None:
        self._source, self._stop, self._advanced = source, stop, advanced
        self.late = 0

    def fill(self, units: Sequence[Unit]) -> bool:
        """Claim these units of different partitions, and fold and commit all that the source has of theirs. Blocks;
        while their storage does not answer, it waits for that.

        Returns:
            False if it was told to stop before.

        Raises:
            RebuildStopped: another process has claimed a unit since, or one cannot go on.
            FoldFailed: the learner raised.
        """
        left = list(units)
        while left and not self._stop.is_set():
            for unit in left:
                unit.claim()
            active = {unit.id.partition: unit for unit in left if unit.state is State.ACTIVE}
            if active:
                self._fold(active)
            for unit in left:
                _must_go_on(unit)
            left = [unit for unit in left if unit.state is not State.ACTIVE]
            self._stop.wait(max((unit.due for unit in left), default=0.0) - time.monotonic())
        return not self._stop.is_set()

    def _fold(self, active: Mapping[int, Unit]) -> None:
        """Fold all that there is, or as much as there is time for, and commit it."""
        starts = {partition: unit.position for partition, unit in active.items() if unit.position is not None}
        for batch in self._source(starts):
            unit = active.get(batch.partition)
            if unit is not None:
                self._take(unit, batch)
                _must_go_on(unit)
            if self._stop.is_set():
                break
        for unit in active.values():
            unit.drain()
            self._advanced(unit)

    def _take(self, unit: Unit, batch: Batch) -> None:
        while unit.state is State.ACTIVE and (unit.position is None or unit.position < batch.next):
            unit.advance(batch, self._leave_out)
            if unit.flight is not None and (unit.position or 0) < batch.next:
                wait([unit.flight])
        self._advanced(unit)

    def _leave_out(self, late: Sequence[LateEvent]) -> None:
        """There is no message of an archived event that could be buried; who folded it live has buried it."""
        self.late += len(late)


def _must_go_on(unit: Unit) -> None:
    if unit.overtaken:
        raise RebuildStopped(
            f"{unit} has been claimed by another process, so this one ends; what is filled stays. `millrace erase` "
            "claims units for a moment: give the same command again, and it goes on. A worker of this version, or "
            "another rebuild, goes on by itself; end it first if that was not meant."
        )
    if unit.state is State.STOPPED and isinstance(unit.failure, FoldFailed):
        raise unit.failure
    if unit.state in (State.STOPPED, State.PAUSED):
        raise RebuildStopped(f"{unit} has stopped: {unit.problem}")
