"""Which units stand still, as too many events were bad or one cannot be read: kept where every worker sees it, until
somebody ends it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from learners.unit import State, Unit
from schemas.errors import MillraceError
from streams.stops import Stop, Stops, key_of, now

log = logging.getLogger(__name__)

UNKNOWN = "whether it may fold is not known, as Kafka does not say which units were stopped"


class Standstills:
    """Holds a worker's units and the table of stops in step. Its calls block on Kafka; none raises."""

    def __init__(self, stops: Stops) -> None:
        self._stops = stops
        self._told: set[Unit] = set()

    def begin(self, units: Sequence[Unit]) -> None:
        """Units that are about to be claimed: those that stood still when they were read last stand still again."""
        try:
            known = self._stops.all()
            for unit in units:
                if (stop := self._of(unit, known)) is not None:
                    self._follow(unit, stop)
        except MillraceError as error:
            for unit in units:
                self._told.add(unit)
                unit.pause(f"{UNKNOWN} ({error})")

    def look(self, units: Sequence[Unit]) -> None:
        """Tell of units that stand still since the last look, and let go on what somebody has let go on since."""
        paused = [unit for unit in units if unit.state is State.PAUSED]
        self._told.intersection_update(paused)
        if not paused:
            return
        try:
            known = self._stops.all()
            for unit in paused:
                if unit not in self._told:
                    self._stops.stop(_stop(unit))
                    self._told.add(unit)
                else:
                    self._follow(unit, self._of(unit, known))
        except MillraceError as error:
            log.warning("The table of stops cannot be asked now: %s", error)

    def _of(self, unit: Unit, known: Mapping[str, Stop]) -> Stop | None:
        """What the table says of a unit. A stop is over where another version reads, and where an event could not be
        read and the unit has not met it yet: the learner may have another schema by now."""
        stop = known.get(_key(unit))
        if stop is None or stop.version > unit.id.version:
            return None
        if stop.version < unit.id.version or (stop.stands and stop.unreadable and not unit.unreadable):
            self._stops.forget(stop)
            return None
        return stop

    def _follow(self, unit: Unit, stop: Stop | None) -> None:
        """Do what the table says."""
        if stop is None or not stop.stands:
            unit.go_on(None if stop is None else stop.past)
            if unit in self._told:
                self._told.discard(unit)
                log.info("%s goes on%s.", unit, f", as {stop.by} says" if stop is not None and stop.by else "")
        elif unit.state is not State.PAUSED:
            self._told.add(unit)
            unit.pause(stop.reason)


def _key(unit: Unit) -> str:
    return key_of(unit.id.learner, unit.id.topic, unit.id.partition)


def _stop(unit: Unit) -> Stop:
    place = unit.id
    return Stop(
        reader=place.learner,
        version=place.version,
        topic=place.topic,
        partition=place.partition,
        position=unit.position,
        reason=unit.problem or "",
        at=now(),
        unreadable=unit.unreadable,
    )
