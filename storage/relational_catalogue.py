"""The storages, aliases, leases and tables of a relational database. Whoever changes them holds up others who do."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from storage.alias import Alias, Name, advanced, first, switched
from storage.declaring import settled
from storage.descriptor import Descriptor
from storage.errors import StorageUnavailable, UnknownOutcome
from storage.relational_database import Database, Transaction, Values
from storage.relational_tables import (
    ADD_TABLE,
    ALIASES,
    FORGET_ALIAS,
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
            existing = _existing(transaction, descriptor)
            found = settled(existing, descriptor)
            if found != existing:
                transaction.run(KEEP_STORAGE, found.storage, found.version, found.to_json())
            if found.writer:
                add_table(transaction, found, found.storage, _KINDS.get(found.format, "puts"), options)
            if found.state == "ready" and found.place not in _aliases(transaction):
                _keep(transaction, {found.place: first(found.version, _now())})
        return found

    def storages(self) -> list[Descriptor]:
        """See `Technology.storages`."""
        with self._database.snapshot() as snapshot:
            return descriptors(snapshot.run(STORAGES))

    def aliases(self) -> dict[Name, Alias]:
        """See `Technology.aliases`."""
        with self._database.snapshot() as snapshot:
            return _aliases(snapshot)

    def leases(self) -> dict[str, int]:
        """See `Technology.leases`."""
        with self._database.snapshot() as snapshot:
            return dict(snapshot.run(LEASES))

    def point(self, items: Sequence[Descriptor]) -> None:
        """See `Technology.point`."""
        self._move(lambda known: advanced(known, items, _now()))

    def switch(self, items: Sequence[Descriptor]) -> None:
        """See `Technology.switch`."""
        self._move(lambda known: switched(known, items, _now()))

    def alter(self, existing: Descriptor, wanted: Descriptor) -> bool:
        """See `Technology.alter`."""
        with self._changing() as transaction:
            if _existing(transaction, existing) != existing:
                return False
            transaction.run(KEEP_STORAGE, wanted.storage, wanted.version, wanted.to_json())
            return True

    def erase(self, descriptor: Descriptor) -> None:
        """See `Technology.erase`. One transaction: it has happened, or it has not."""
        writer, rows = (descriptor.learner, descriptor.generation), rows_of(descriptor, descriptor.storage)
        with self._changing() as transaction:
            others = [item for item in descriptors(transaction.run(STORAGES)) if item.title != descriptor.title]
            if all((item.learner, item.generation) != writer for item in others):
                transaction.run(FORGET_UNITS, *writer)
            for table in transaction.run(TABLES, *rows):
                transaction.drop(Table.of(*table))
            transaction.run(FORGET_TABLES, *rows)
            transaction.run(FORGET_NEWEST, *rows)
            alias = _aliases(transaction).get(descriptor.place)
            if alias is not None and alias.version == descriptor.version:
                transaction.run(FORGET_ALIAS, descriptor.storage)
            transaction.run(FORGET_STORAGE, descriptor.storage, descriptor.version)

    @contextmanager
    def _changing(self) -> Iterator[Transaction]:
        """For what may be repeated at will: whether it was applied does not matter."""
        try:
            with self._database.transaction(catalogue=True) as transaction:
                yield transaction
        except UnknownOutcome as error:
            raise StorageUnavailable(str(error)) from error

    def _move(self, moved: Callable[[dict[Name, Alias]], dict[Name, Alias]]) -> None:
        with self._changing() as transaction:
            _keep(transaction, moved(_aliases(transaction)))


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


def descriptors(rows: Sequence[Values]) -> list[Descriptor]:
    """By name and version."""
    found = (Descriptor.of_json(text) for (text,) in rows)
    return sorted(found, key=lambda item: (item.storage, item.version))


def aliases(rows: Sequence[Values]) -> dict[Name, Alias]:
    """By format and name."""
    split = ((storage.partition("/"), alias) for storage, alias in rows)
    return {(place[0], place[2]): Alias.of_json(alias) for place, alias in split}


def _existing(transaction: Transaction, descriptor: Descriptor) -> Descriptor | None:
    found = transaction.run(STORAGE, descriptor.storage, descriptor.version)
    return Descriptor.of_json(found[0][0]) if found else None


def _aliases(transaction: Transaction) -> dict[Name, Alias]:
    return aliases(transaction.run(ALIASES))


def _keep(transaction: Transaction, moved: Mapping[Name, Alias]) -> None:
    for name, alias in moved.items():
        transaction.run(KEEP_ALIAS, "/".join(name), alias.to_json())


def _now() -> int:
    return time.time_ns() // 1_000_000
