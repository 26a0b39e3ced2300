"""Which units a generation has, and how far each is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from storage.cassandra_places import writer_of
from storage.cassandra_session import CassandraSession, asking
from storage.cassandra_state import unit_name
from storage.descriptor import Descriptor
from storage.unit import UnitId, UnitState

UNITS = "SELECT topic, partition FROM @units WHERE writer = ?"
UNIT = "SELECT epoch, next, watermark, WRITETIME(next) FROM @state WHERE unit = ? LIMIT 1"
_NOTE = "INSERT INTO @units (writer, topic, partition) VALUES (?, ?, ?)"
_FORGET = "DELETE FROM @units WHERE writer = ?"


class Units:
    """The table `units`. It only says what to look for: what a unit is, `state` says."""

    def __init__(self, session: CassandraSession) -> None:
        self._session = session

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
            return states(units, [list(future.result()) for future in asked])

    def forget(self, descriptor: Descriptor) -> None:
        """A generation has no units any more."""
        self._session.write(_FORGET, writer_of(descriptor))


def units_of(descriptor: Descriptor, rows: Sequence[tuple[Any, ...]]) -> list[UnitId]:
    """What `UNITS` answered, by topic and partition."""
    return [
        UnitId(descriptor.learner, descriptor.version, descriptor.generation, topic, partition)
        for topic, partition in rows
    ]


def states(units: Sequence[UnitId], rows: Sequence[Sequence[tuple[Any, ...]]]) -> list[UnitState]:
    """What `UNIT` answered for each; a unit without an epoch has not been claimed."""
    found = [(unit, *row[0]) for unit, row in zip(units, rows, strict=True) if row and row[0][0] is not None]
    return [
        UnitState(unit, epoch, position, watermark, None if written is None else written // 1000)
        for unit, epoch, position, watermark, written in found
    ]
