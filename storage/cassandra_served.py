"""The rows that readers see: one cell for each unit, written under its position, so that an older write loses.

Such a write may be repeated, and may come late, from whoever once had the unit: it carries what the fold has made of
the log up to that position, and a cell that is newer stays. Nothing is deleted here but what nobody reads any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from cassandra.cluster import ResponseFuture

from storage.address import Address
from storage.cassandra_cells import Cell, integer, slot_of, small
from storage.cassandra_places import Place, Places
from storage.cassandra_session import CassandraSession, Encoded, asking, finished, telling
from storage.cassandra_tables import ABOUT, AT, BUCKET, COLUMNS, NO_BUCKET
from storage.descriptor import Descriptor
from storage.errors import WriteRefused
from storage.technology import Newest, Row
from storage.unit import UnitId

_SERVE = [
    f"UPDATE @served USING TIMESTAMP ? SET {column} = ? "
    "WHERE place = ? AND slot = ? AND key = ? AND bucket = ? AND item = ? AND unit = ?"
    for column in COLUMNS
]
_SLOT = "SELECT key, bucket, item, record, total, score FROM @served WHERE place = ? AND slot = ?"
_THERE = "SELECT key, item FROM @served WHERE place = ? AND slot = ? AND (key, bucket, item) IN ? LIMIT 1"
NEWEST = f"SELECT item, total FROM @served WHERE place = ? AND slot = {ABOUT} AND key = '' AND bucket = {NO_BUCKET}"
_CLEAR = "DELETE FROM @served WHERE place = ? AND slot = ?"
_BUCKETS = "SELECT key, bucket FROM @served WHERE place = ? AND slot = ? GROUP BY place, slot, key, bucket"
_CLEAR_ROW = "DELETE FROM @served WHERE place = ? AND slot = ? AND key = ? AND bucket = ?"
_ROWS, _BYTES = 500, 1 << 20
"""What one batch holds at most."""

Group = tuple[Place, int, list[Cell]]


class Served:
    """The rows of the table `served`, as they are written and looked through."""

    def __init__(self, session: CassandraSession, places: Places) -> None:
        self._session, self._places = session, places

    def write(self, writer: UnitId | Descriptor, unit: str, timestamp: int, cells: Sequence[Cell]) -> None:
        """Write cells and wait until all are there; what is written already may be written again.

        Args:
            unit: whose cells they are, "topic/partition".
            timestamp: the position that they are of, and one more.

        Raises:
            UnknownOutcome: some of them may not be there.
        """
        stamp, name = integer(timestamp), unit.encode()
        with telling(self._session.address):
            finished(self._batch(*part, stamp, name) for group in self._groups(writer, cells) for part in _parts(group))

    def refuse_what_is_there(self, descriptor: Descriptor, cells: Sequence[Cell]) -> None:
        """Raise WriteRefused where one of these items has a value."""
        with asking(self._session.address):
            found = [
                self._session.send(_THERE, [place.id, slot, [_item(cell) for cell in part]])
                for place, slot, part in (
                    part for group in self._groups(descriptor, cells) for part in _parts(group) if group[1] != ABOUT
                )
            ]
            for future in found:
                for key, item in future.result():
                    what = f" with {item!r}" if item else ""
                    raise WriteRefused(
                        f"{descriptor.title} has the key {key!r}{what} already; a load writes each once."
                    )

    def rows(self, descriptor: Descriptor) -> Iterator[tuple[Address, Row]]:
        """Every row, slot after slot."""
        place = self._places.find(descriptor, descriptor.storage)
        for slot in range(place.slots if place else 0):
            assert place is not None
            items = self._session.pages(_SLOT, place.id, slot)
            for (key, bucket), found in groupby(items, key=lambda item: item[:2]):
                yield Address(descriptor.storage, key, None if bucket == NO_BUCKET else bucket), merged(found)

    def newest(self, descriptor: Descriptor) -> Newest:
        """The newest of all units."""
        place = self._places.find(descriptor, descriptor.storage)
        return Newest() if place is None else newest_of(self._session.read(NEWEST, place.id))

    def clear(self, writer: Descriptor, storage: str) -> None:
        """Remove all rows of a storage, then its place."""
        place = self._places.find(writer, storage)
        if place is not None:
            with telling(self._session.address):
                finished(self._session.send(_CLEAR, [place.id, slot]) for slot in (ABOUT, *range(place.slots)))
            self._places.leave(writer, storage, place)

    def earlier(self, descriptor: Descriptor, bucket: int) -> list[tuple[str, int]]:
        """Key and bucket of every row of an earlier bucket. Looks through the whole storage."""
        place = self._places.find(descriptor, descriptor.storage)
        pages = (self._session.pages(_BUCKETS, place.id, slot) for slot in range(place.slots)) if place else ()
        return [(key, found) for page in pages for key, found in page if NO_BUCKET < found < bucket]

    def clear_rows(self, descriptor: Descriptor, rows: Sequence[tuple[str, int]]) -> None:
        """Remove rows, by key and bucket. What a late event writes there stays unseen."""
        place = self._places.find(descriptor, descriptor.storage)
        if place is not None:
            with telling(self._session.address):
                where = ((place.id, slot_of(key.encode(), place.slots), key, bucket) for key, bucket in rows)
                finished(self._session.send(_CLEAR_ROW, row) for row in where)

    def _groups(self, writer: UnitId | Descriptor, cells: Iterable[Cell]) -> Iterator[Group]:
        """Cells by partition; their order stays."""
        places: dict[bytes, Place] = {}
        found: dict[tuple[bytes, int], list[Cell]] = {}
        for cell in cells:
            name, key, *_ = cell
            storage = name or key
            place = places.get(storage)
            if place is None:
                place = places[storage] = self._places.made(writer, storage.decode())
            slot = slot_of(key, place.slots) if name else ABOUT
            found.setdefault((storage, slot), []).append(cell)
        for (storage, slot), group in found.items():
            yield places[storage], slot, group

    def _batch(self, place: Place, slot: int, cells: Sequence[Cell], stamp: bytes, unit: bytes) -> ResponseFuture:
        partition = place.id.bytes, small(slot)
        whole = slot != ABOUT
        statements: list[tuple[str, list[Encoded]]] = [
            (
                _SERVE[wanted],
                [
                    (stamp, value, *partition, key if whole else b"", bucket, item, unit)
                    for _, key, bucket, item, column, value in cells
                    if column == wanted
                ],
            )
            for wanted in {cell[4] for cell in cells}
        ]
        return self._session.send_batch(statements, partition)


def merged(items: Iterable[Sequence[Any]]) -> Row:
    """One row of its cells, which end with a record, a total and a score: what units have added is summed up."""
    row: dict[str, Any] = {}
    for *_, item, record, total, score in items:
        if record is not None:
            return bytes(record)
        value = total if total is not None else score
        row[item] = row[item] + value if item in row else value
    return row


def newest_of(rows: Iterable[tuple[str, int]]) -> Newest:
    """What `NEWEST` answered, of all units."""
    found: dict[str, int] = {}
    for item, total in rows:
        found[item] = max(found.get(item, total), total)
    return Newest(found.get(BUCKET), found.get(AT))


def _parts(group: Group) -> Iterator[Group]:
    """A group in batches that a server takes."""
    place, slot, cells = group
    if len(cells) <= _ROWS and sum(len(cell[5]) for cell in cells) <= _BYTES:
        yield group
        return
    part: list[Cell] = []
    size = 0
    for cell in cells:
        if part and (len(part) == _ROWS or size + len(cell[5]) > _BYTES):
            yield place, slot, part
            part, size = [], 0
        part.append(cell)
        size += len(cell[5])
    yield place, slot, part


def _item(cell: Cell) -> tuple[str, int, str]:
    _, key, bucket, item, *_ = cell
    return key.decode(), int.from_bytes(bucket, "big", signed=True), item.decode()
