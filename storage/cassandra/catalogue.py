"""What describes itself in Cassandra: descriptors and what names stand for, in one partition, changed by compare and
swap of several rows in one step; and what is read."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from storage.alias import Alias, Name, first
from storage.cassandra.session import CassandraSession, asking
from storage.clock import now_ms
from storage.declaring import settled
from storage.descriptor import Descriptor
from storage.leases import leases
from storage.listed import EntryKind, Listed, existing, is_damaged

PART = "all"
"""The one partition of `catalogue`, and of `leases`."""
STORAGE, ALIAS = "storage", "alias"
CATALOGUE = "SELECT kind, name, value FROM @catalogue WHERE part = ?"
LEASES = "SELECT title, until FROM @leases WHERE part = ?"
LEASE = "UPDATE @leases USING TTL ? SET until = ? WHERE part = ? AND title = ?"
_RELEASE = "DELETE FROM @leases WHERE part = ? AND title = ?"
_SWAP = "UPDATE @catalogue SET value = ? WHERE part = ? AND kind = ? AND name = ? IF value = ?"

Pairs = Iterable[tuple[str, str, str]]


class _Change(NamedTuple):
    """A row of the catalogue, what it must hold and what it is to hold; None = nothing."""

    kind: str
    name: str
    old: str | None
    new: str | None


class CassandraCatalogue:
    """The catalogue's side of `Technology`. A change without an answer is looked at, and made again if need be."""

    def __init__(self, session: CassandraSession) -> None:
        self._session = session

    def declare(self, descriptor: Descriptor) -> Descriptor:
        """See `Technology.declare`."""
        while True:
            known = self._known()
            old = known.get((STORAGE, descriptor.entry))
            before = existing("cassandra", descriptor.entry, old)
            found = settled(before, descriptor)
            if found == before:
                return found
            changes = [_Change(STORAGE, found.entry, old, found.to_json())]
            if found.state == "ready" and (ALIAS, found.storage) not in known:
                changes.append(_Change(ALIAS, found.storage, None, first(found.version, now_ms()).to_json()))
            if self._swap(changes):
                return found

    def listed(self) -> Listed:
        """What there is now."""
        return listed(self._rows())

    def storages(self) -> list[Descriptor]:
        """See `Technology.storages`."""
        return self.listed().sorted()

    def aliases(self) -> dict[Name, Alias]:
        """See `Technology.aliases`."""
        return dict(self.listed().aliases)

    def leases(self) -> dict[str, int]:
        """See `Technology.leases`."""
        return leases(self._session.read(LEASES, PART))

    def release(self, titles: Collection[str]) -> None:
        """See `Technology.release`."""
        for title in titles:
            self._session.write(_RELEASE, PART, title)

    def discard(self, kind: EntryKind, entry: str) -> bool:
        """See `Technology.discard`."""
        text = self._known().get((kind, entry))
        return text is not None and is_damaged(kind, entry, text) and self._swap([_Change(kind, entry, text, None)])

    def point(self, items: Sequence[Descriptor]) -> None:
        """See `Technology.point`."""
        self._move(items, lambda found: found.advanced(items, now_ms()))

    def switch(self, items: Sequence[Descriptor]) -> bool:
        """See `Technology.switch`."""
        return self._move(items, lambda found: found.switched(items, now_ms()))

    def alter(self, before: Descriptor, wanted: Descriptor) -> bool:
        """See `Technology.alter`. Another program may have written the same JSON in other letters."""
        text = self._known().get((STORAGE, before.entry))
        if text is None or is_damaged("storage", before.entry, text) or Descriptor.of_json(text) != before:
            return False
        return self._swap([_Change(STORAGE, before.entry, text, wanted.to_json())])

    def forget(self, descriptor: Descriptor) -> None:
        """Remove a descriptor, and the alias that leads to it."""
        while (old := (known := self._known()).get((STORAGE, descriptor.entry))) is not None:
            changes = [_Change(STORAGE, descriptor.entry, old, None)]
            alias = _listed(known).aliases.get(descriptor.place)
            if alias is not None and alias.version == descriptor.version:
                changes.append(_Change(ALIAS, descriptor.storage, known[ALIAS, descriptor.storage], None))
            if self._swap(changes):
                return

    def _rows(self) -> list[tuple[str, str, str]]:
        return self._session.read(CATALOGUE, PART, serial=True)

    def _known(self) -> dict[tuple[str, str], str]:
        return {(kind, name): value for kind, name, value in self._rows()}

    def _move(self, items: Sequence[Descriptor], moved: Callable[[Listed], dict[Name, Alias] | None]) -> bool:
        """Move names, if the versions that they move to are still what they were when that was decided."""
        while True:
            known = self._known()
            found = moved(_listed(known))
            if not found:
                return found is not None
            there = {item.entry: known[STORAGE, item.entry] for item in items if item.place in found}
            changes = [_Change(STORAGE, entry, text, text) for entry, text in there.items()]
            for name, alias in found.items():
                storage = "/".join(name)
                changes.append(_Change(ALIAS, storage, known.get((ALIAS, storage)), alias.to_json()))
            if self._swap(changes):
                return True

    def _swap(self, changes: Sequence[_Change]) -> bool:
        """Make all changes or none. False where one of them is not what it was thought to be.

        Raises:
            StorageUnavailable: no answer. Whoever asks again finds either state, as both are whole.
        """
        rows = [
            (_bytes(change.new), PART.encode(), change.kind.encode(), change.name.encode(), _bytes(change.old))
            for change in changes
        ]
        with asking(self._session.address):
            return bool(self._session.send_batch([(_SWAP, rows)], [PART.encode()]).result().one()[0])


def listed(rows: Pairs) -> Listed:
    """What there is, of the catalogue's rows."""
    return _listed({(kind, name): value for kind, name, value in rows})


def _listed(known: Mapping[tuple[str, str], str]) -> Listed:
    every = [(kind, (name, value)) for (kind, name), value in known.items()]
    return Listed.of((pair for kind, pair in every if kind == STORAGE), (pair for kind, pair in every if kind == ALIAS))


def _bytes(value: str | None) -> bytes | None:
    return None if value is None else value.encode()
