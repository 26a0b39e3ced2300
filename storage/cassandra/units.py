"""Which units a generation has, and how far each is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from storage.cassandra.fences import served_name, unit_name
from storage.cassandra.places import Places, writer_of
from storage.cassandra.served import REACHED, reached
from storage.cassandra.session import CassandraSession, asking
from storage.descriptor import Descriptor
from storage.unit import UnitId, UnitState

UNITS = "SELECT topic, partition FROM @units WHERE writer = ?"
UNIT = "SELECT epoch, WRITETIME(next) FROM @fences WHERE unit = ?"
_NOTE = "INSERT INTO @units (writer, topic, partition) VALUES (?, ?, ?)"
_FORGET = "DELETE FROM @units WHERE writer = ?"


class Units:
    """The table `units`. It only says what to look for: what a unit is, `fences` says, and `served` how far its rows
    can be read."""

    def __init__(self, session: CassandraSession, places: Places) -> None:
        self._session, self._places = session, places

    def note(self, unit: UnitId) -> None:
        """A unit is there. May be said again."""
        with asking(self._session.address):
            self._session.send(_NOTE, [writer_of(unit), unit.topic, unit.partition]).result()

    def of(self, descriptor: Descriptor) -> list[UnitId]:
        """The units of a storage's generation, whatever topic they fold."""
        return units_of(descriptor, self._session.read(UNITS, writer_of(descriptor)))

    def states(self, descriptor: Descriptor) -> list[UnitState]:
        """How far each unit is that writes a storage."""
        units = [unit for unit in self.of(descriptor) if unit.topic == descriptor.topic]
        with asking(self._session.address):
            asked = [self._session.send(UNIT, [unit_name(unit)]) for unit in units]
            fences = [list(future.result()) for future in asked]
        place = self._places.find(descriptor, "")
        return states(units, fences, self._session.read(REACHED, place.id) if place else [])

    def forget(self, descriptor: Descriptor) -> None:
        """A generation has no units any more."""
        self._session.write(_FORGET, writer_of(descriptor))


def units_of(descriptor: Descriptor, rows: Sequence[tuple[Any, ...]]) -> list[UnitId]:
    """What `UNITS` answered, by topic and partition."""
    return [
        UnitId(descriptor.learner, descriptor.version, descriptor.generation, topic, partition)
        for topic, partition in rows
    ]


def states(
    units: Sequence[UnitId], fences: Sequence[Sequence[tuple[Any, ...]]], rows: Sequence[tuple[Any, ...]]
) -> list[UnitState]:
    """What `UNIT` answered for each, and `REACHED` for all; a unit without a fence has not been claimed."""
    where = reached(rows)
    found = [(unit, *fence[0]) for unit, fence in zip(units, fences, strict=True) if fence]
    return [
        UnitState(
            unit, epoch, *where.get(served_name(unit), (None, None)), None if written is None else written // 1000
        )
        for unit, epoch, written in found
    ]
