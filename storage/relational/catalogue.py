"""The storages, aliases, leases and tables of a relational database. Whoever changes them holds up others who do."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

from storage.alias import Alias, Name, first
from storage.clock import now_ms
from storage.declaring import settled
from storage.descriptor import Descriptor
from storage.errors import harmless
from storage.leases import leases
from storage.listed import EntryKind, Listed, existing, is_damaged
from storage.relational.database import Database, Transaction, Values
from storage.relational.tables import (
    ADD_TABLE,
    ALIASES,
    COLUMNS,
    FORGET_ALIAS,
    FORGET_LEASE,
    FORGET_NEWEST,
    FORGET_STORAGE,
    FORGET_TABLES,
    FORGET_UNITS,
    KEEP_ALIAS,
    KEEP_STORAGE,
    LEASES,
    STORAGE,
    STORAGES,
    TABLES,
    Kind,
    Table,
)
from storage.unit import UnitId

_KINDS: Mapping[str, Kind] = {"counters": "sums", "ranking": "scores"}
"""What a format's rows are; of those that are not here they are put."""


class RelationalCatalogue:
    """What there is, as rows of tables; the pure files `declaring` and `alias` say what becomes of it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def declare(self, descriptor: Descriptor) -> Descriptor:
        """See `Technology.declare`."""
        options = self._database.options(descriptor.options)
        with self._changing() as transaction:
            before = existing("relational", descriptor.entry, _kept(transaction, descriptor.entry))
            found = settled(before, descriptor)
            if found != before:
                transaction.run(KEEP_STORAGE, found.storage, found.version, found.to_json())
            if found.writer:
                add_table(transaction, found, found.storage, _KINDS.get(found.format, "puts"), options)
            if found.state == "ready" and found.storage not in dict(transaction.run(ALIASES)):
                _keep(transaction, {found.place: first(found.version, now_ms())})
        return found

    def listed(self) -> Listed:
        """What there is now."""
        with self._database.snapshot() as snapshot:
            return listed(snapshot.run(STORAGES), snapshot.run(ALIASES))

    def storages(self) -> list[Descriptor]:
        """See `Technology.storages`."""
        return self.listed().sorted()

    def aliases(self) -> dict[Name, Alias]:
        """See `Technology.aliases`."""
        return dict(self.listed().aliases)

    def leases(self) -> dict[str, int]:
        """See `Technology.leases`."""
        with self._database.snapshot() as snapshot:
            return leases(snapshot.run(LEASES))

    def release(self, titles: Collection[str]) -> None:
        """See `Technology.release`."""
        with self._changing() as transaction:
            for title in titles:
                transaction.run(FORGET_LEASE, title)

    def discard(self, kind: EntryKind, entry: str) -> bool:
        """See `Technology.discard`."""
        with self._changing() as transaction:
            if (kind, entry) not in {(item.kind, item.entry) for item in _listed(transaction).damaged}:
                return False
            if kind == "storage":
                transaction.run(FORGET_STORAGE, *_parts(entry))
            else:
                transaction.run(FORGET_ALIAS, entry)
            return True

    def point(self, items: Sequence[Descriptor]) -> None:
        """See `Technology.point`."""
        self._move(lambda found: found.advanced(items, now_ms()))

    def switch(self, items: Sequence[Descriptor]) -> bool:
        """See `Technology.switch`."""
        return self._move(lambda found: found.switched(items, now_ms()))

    def alter(self, before: Descriptor, wanted: Descriptor) -> bool:
        """See `Technology.alter`."""
        with self._changing() as transaction:
            text = _kept(transaction, before.entry)
            if text is None or is_damaged("storage", before.entry, text) or Descriptor.of_json(text) != before:
                return False
            transaction.run(KEEP_STORAGE, wanted.storage, wanted.version, wanted.to_json())
            return True

    def erase(self, descriptor: Descriptor) -> None:
        """See `Technology.erase`. One transaction: it has happened, or it has not."""
        writer, rows = (descriptor.learner, descriptor.generation), rows_of(descriptor, descriptor.storage)
        with self._changing() as transaction:
            if descriptor.is_last_of(_listed(transaction).descriptors.values()):
                transaction.run(FORGET_UNITS, *writer)
            for id, kind, _ in transaction.run(TABLES, *rows):  # its options may be damaged
                if kind in COLUMNS:
                    transaction.drop(Table(id, kind))
            transaction.run(FORGET_TABLES, *rows)
            transaction.run(FORGET_NEWEST, *rows)
            alias = _listed(transaction).aliases.get(descriptor.place)
            if alias is not None and alias.version == descriptor.version:
                transaction.run(FORGET_ALIAS, descriptor.storage)
            transaction.run(FORGET_STORAGE, descriptor.storage, descriptor.version)

    @contextmanager
    def _changing(self) -> Iterator[Transaction]:
        """What is done here may be done again."""
        with harmless(), self._database.transaction(catalogue=True) as transaction:
            yield transaction

    def _move(self, moved: Callable[[Listed], dict[Name, Alias] | None]) -> bool:
        with self._changing() as transaction:
            found = moved(_listed(transaction))
            _keep(transaction, found or {})
            return found is not None


def add_table(
    transaction: Transaction,
    writer: UnitId | Descriptor,
    storage: str,
    kind: Kind,
    options: Mapping[str, object],
) -> Table | None:
    """Make a storage's table; None if somebody else has made it."""
    place = rows_of(writer, storage)
    found = transaction.run(ADD_TABLE, *place, kind, json.dumps(dict(options), sort_keys=True))
    if not found:
        return None
    table = Table(found[0][0], kind, options)
    transaction.create(table)
    return table


def rows_of(writer: UnitId | Descriptor, storage: str) -> tuple[str, int, str]:
    """Whose rows a table holds: the first columns of `millrace_tables` and `millrace_newest`."""
    return writer.learner, writer.generation, storage


def listed(storages: Sequence[Values], aliases: Sequence[Values]) -> Listed:
    """What there is, of the rows of `STORAGES` and `ALIASES`."""
    return Listed.of(((f"{storage}@{version}", text) for storage, version, text in storages), iter(aliases))


def _listed(transaction: Transaction) -> Listed:
    return listed(transaction.run(STORAGES), transaction.run(ALIASES))


def _kept(transaction: Transaction, entry: str) -> object:
    """A descriptor as it is kept; None if there is none."""
    found = transaction.run(STORAGE, *_parts(entry))
    return found[0][0] if found else None


def _parts(entry: str) -> tuple[str, int]:
    """The key that a descriptor is kept under."""
    storage, _, version = entry.rpartition("@")
    return storage, int(version)


def _keep(transaction: Transaction, moved: Mapping[Name, Alias]) -> None:
    for name, alias in moved.items():
        transaction.run(KEEP_ALIAS, "/".join(name), alias.to_json())
