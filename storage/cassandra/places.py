"""Where the rows of each storage are."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from storage.cassandra.session import CassandraSession
from storage.descriptor import Descriptor
from storage.errors import UnknownOutcome
from storage.unit import UnitId

PLACE = "SELECT place, slots FROM @places WHERE writer = ? AND storage = ?"
_SETTLE = "INSERT INTO @places (writer, storage, place, slots) VALUES (?, ?, ?, ?) IF NOT EXISTS"
_LEAVE = "DELETE FROM @places WHERE writer = ? AND storage = ? IF place = ?"


class Place(NamedTuple):
    """A storage's rows are in the partitions (id, 0) to (id, slots - 1), what is said of it in (id, ABOUT)."""

    id: UUID
    slots: int


class Places:
    """Remembers the places of what is written here."""

    def __init__(self, session: CassandraSession) -> None:
        self._session = session
        self._known: dict[tuple[str, str], Place] = {}

    def find(self, writer: UnitId | Descriptor, storage: str) -> Place | None:
        """Where a storage's rows are now; None = nobody has written any."""
        return place_of(self._session.read(PLACE, writer_of(writer), storage, serial=True))

    def made(self, writer: UnitId | Descriptor, storage: str) -> Place:
        """Where to write them; whoever writes first chooses the place."""
        while (found := self.known(writer, storage)) is None:
            with suppress(UnknownOutcome):  # the next look finds out
                self._session.write(_SETTLE, writer_of(writer), storage, uuid4(), self._session.address.slots)
        return found

    def known(self, writer: UnitId | Descriptor, storage: str) -> Place | None:
        """Where they are, or were when they were last looked for; None = nobody has written any."""
        key = writer_of(writer), storage
        found = self._known.get(key) or self.find(writer, storage)
        if found is not None:
            self._known[key] = found
        return found

    def forget(self, writer: UnitId | Descriptor) -> None:
        """The places of a generation may have been left."""
        name = writer_of(writer)
        self._known = {key: place for key, place in self._known.items() if key[0] != name}

    def leave(self, writer: UnitId | Descriptor, storage: str, place: Place) -> None:
        """Nobody finds these rows any more."""
        self._session.write(_LEAVE, writer_of(writer), storage, place.id)
        self.forget(writer)


def writer_of(writer: UnitId | Descriptor) -> str:
    """A generation, as `places` and `units` have it."""
    return f"{writer.learner}@{writer.generation}"


def place_of(rows: list[tuple[Any, ...]]) -> Place | None:
    """What `PLACE` answered."""
    return Place(*rows[0]) if rows else None
