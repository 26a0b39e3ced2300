"""What describes itself in Cassandra: descriptors and what names stand for, in one partition, changed by compare and
swap of several rows in one step; and what is read."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from storage.alias import Alias, Name, advanced, first, switched
from storage.cassandra_session import CassandraSession, asking
from storage.declaring import settled
from storage.descriptor import Descriptor

PART = "all"
"""The one partition of `catalogue`, and of `leases`."""
STORAGE, ALIAS = "storage", "alias"
CATALOGUE = "SELECT kind, name, value FROM @catalogue WHERE part = ?"
LEASES = "SELECT title, until FROM @leases WHERE part = ?"
LEASE = "UPDATE @leases USING TTL ? SET until = ? WHERE part = ? AND title = ?"
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
            name = _place(descriptor)
            old = known.get((STORAGE, name))
            found = settled(None if old is None else Descriptor.of_json(old), descriptor)
            if old is not None and found == Descriptor.of_json(old):
                return found
            changes = [_Change(STORAGE, name, old, found.to_json())]
            if found.state == "ready" and (ALIAS, found.storage) not in known:
                changes.append(_Change(ALIAS, found.storage, None, first(found.version, _now()).to_json()))
            if self._swap(changes):
                return found

    def storages(self) -> list[Descriptor]:
        """See `Technology.storages`."""
        return descriptors(self._rows())

    def aliases(self) -> dict[Name, Alias]:
        """See `Technology.aliases`."""
        return aliases(self._rows())

    def leases(self) -> dict[str, int]:
        """See `Technology.leases`."""
        return dict(self._session.read(LEASES, PART))

    def point(self, items: Sequence[Descriptor]) -> None:
        """See `Technology.point`."""
        self._move(lambda known: advanced(known, items, _now()))

    def switch(self, items: Sequence[Descriptor]) -> None:
        """See `Technology.switch`."""
        self._move(lambda known: switched(known, items, _now()))

    def alter(self, existing: Descriptor, wanted: Descriptor) -> bool:
        """See `Technology.alter`."""
        return self._swap([_Change(STORAGE, _place(existing), existing.to_json(), wanted.to_json())])

    def forget(self, descriptor: Descriptor) -> None:
        """Remove a descriptor, and the alias that leads to it."""
        name = _place(descriptor)
        while (old := (known := self._known()).get((STORAGE, name))) is not None:
            changes = [_Change(STORAGE, name, old, None)]
            alias = known.get((ALIAS, descriptor.storage))
            if alias is not None and Alias.of_json(alias).version == descriptor.version:
                changes.append(_Change(ALIAS, descriptor.storage, alias, None))
            if self._swap(changes):
                return

    def _rows(self) -> list[tuple[str, str, str]]:
        return self._session.read(CATALOGUE, PART, serial=True)

    def _known(self) -> dict[tuple[str, str], str]:
        return {(kind, name): value for kind, name, value in self._rows()}

    def _move(self, moved: Callable[[dict[Name, Alias]], dict[Name, Alias]]) -> None:
        while True:
            known = self._known()
            old = aliases((*place, value) for place, value in known.items())
            changes = [
                _Change(ALIAS, "/".join(name), known.get((ALIAS, "/".join(name))), alias.to_json())
                for name, alias in moved(old).items()
            ]
            if not changes or self._swap(changes):
                return

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


def descriptors(rows: Pairs) -> list[Descriptor]:
    """The storages of the catalogue's rows, by name and version."""
    found = (Descriptor.of_json(value) for kind, _, value in rows if kind == STORAGE)
    return sorted(found, key=lambda item: (item.storage, item.version))


def aliases(rows: Pairs) -> dict[Name, Alias]:
    """What the catalogue's rows say, by format and name."""
    split = ((name.partition("/"), value) for kind, name, value in rows if kind == ALIAS)
    return {(name[0], name[2]): Alias.of_json(value) for name, value in split}


def _place(descriptor: Descriptor) -> str:
    return f"{descriptor.storage}@{descriptor.version}"


def _bytes(value: str | None) -> bytes | None:
    return None if value is None else value.encode()


def _now() -> int:
    return time.time_ns() // 1_000_000
