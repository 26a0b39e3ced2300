"""All rows of a storage, page by page, in the order of their keys."""

from __future__ import annotations

from collections.abc import Iterator

from storage.address import Address
from storage.descriptor import Descriptor
from storage.relational.database import Database, Values
from storage.relational.known import KnownTables
from storage.relational.tables import KEYS, NO_BUCKET, PAGE, Table, page
from storage.technology import Row


def dumped(database: Database, descriptor: Descriptor) -> Iterator[tuple[Address, Row]]:
    """Every row once. Each page is of its own moment."""
    with database.snapshot() as snapshot:
        tables = KnownTables().find(snapshot, descriptor, descriptor.storage)
    storage = descriptor.storage
    for table in tables.values():
        rows = _rows(database, table)
        if table.kind == "puts":
            yield from ((Address(storage, key.decode()), value) for key, value in rows)
        else:
            yield from _gathered(storage, rows)


def _rows(database: Database, table: Table) -> Iterator[Values]:
    last: Values = ()
    while True:
        with database.snapshot() as snapshot:
            found = snapshot.run(page(table.kind, first=not last), *last, table=table)
        yield from found
        if len(found) < PAGE:
            return
        last = found[-1][: KEYS[table.kind]]


def _gathered(storage: str, rows: Iterator[Values]) -> Iterator[tuple[Address, Row]]:
    """Neighbours with the same key and bucket make one row."""
    place: Values | None = None
    row: dict[str, float] = {}
    for *where, item, value in rows:
        if tuple(where) != place:
            if place is not None:
                yield _address(storage, *place), row
            place, row = tuple(where), {}
        row[item.decode()] = value
    if place is not None:
        yield _address(storage, *place), row


def _address(storage: str, key: bytes, bucket: int = NO_BUCKET) -> Address:
    return Address(storage, key.decode(), None if bucket == NO_BUCKET else bucket)
