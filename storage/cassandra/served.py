"""The rows: one cell for each unit, written under its position, so that an older write loses.

Such a write may be repeated, and may come late, from whoever once had the unit: it is what a commit has left behind in
the unit's redo, and a cell that is newer stays. Nothing is deleted here but what nobody reads any more, and who is
erased: as of where the unit stands, so that what is written of that again stays away too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple
from uuid import UUID

from storage.address import Address
from storage.cassandra.batches import Batch, batch
from storage.cassandra.cells import Cell, slot_of
from storage.cassandra.fences import served_name
from storage.cassandra.places import Place, Places
from storage.cassandra.redo import Part
from storage.cassandra.session import CassandraSession, Flight, asking, telling
from storage.cassandra.tables import ABOUT, AT, BUCKET, COLUMNS, NEXT, NO_BUCKET, RECORD, WATERMARK
from storage.descriptor import Descriptor
from storage.errors import repeated
from storage.technology import Gone, Newest, Row
from storage.unit import UnitId

_SERVE = [
    f"UPDATE @served SET {column} = ? WHERE place = ? AND slot = ? AND unit = ? AND key = ? AND bucket = ? AND item = ?"
    for column in COLUMNS
]
_SERVE[RECORD] = _SERVE[RECORD].replace("bucket = ? AND item = ?", f"bucket = {NO_BUCKET} AND item = ''")
_SLOT = "SELECT key, bucket, item, record, total, score FROM @served WHERE place = ? AND slot = ?"
_OWN = (
    "SELECT key, bucket, item, record, total, score, WRITETIME(record), WRITETIME(total), WRITETIME(score) "
    "FROM @served WHERE place = ? AND slot = ? AND (key, bucket, item, unit) IN ?"
)
_THERE = "SELECT key, item FROM @served WHERE place = ? AND slot = ? AND (key, bucket, item) IN ? LIMIT 1"
NEWEST = f"SELECT item, total FROM @served WHERE place = ? AND slot = {ABOUT} AND key = '' AND bucket = {NO_BUCKET}"
REACHED = NEWEST.replace("item, total", "unit, item, total")
_CLEAR = "DELETE FROM @served WHERE place = ? AND slot = ?"
_BUCKETS = "SELECT key, bucket FROM @served WHERE place = ? AND slot = ? GROUP BY place, slot, key, bucket"
_CLEAR_ROW = "DELETE FROM @served WHERE place = ? AND slot = ? AND key = ? AND bucket = ?"
_CELLS = "SELECT item, unit FROM @served WHERE place = ? AND slot = ? AND key = ? AND bucket = ?"
_REMOVE = (
    "DELETE FROM @served USING TIMESTAMP ? "
    "WHERE place = ? AND slot = ? AND key = ? AND bucket = ? AND item = ? AND unit = ?"
)
_ROWS, _BYTES = 500, 1 << 20
"""What one batch holds at most."""


class Ready(NamedTuple):
    """Batches of rows, and of what is said of them, which waits for these."""

    rows: list[Batch]
    about: list[Batch]


Item = tuple[Address, str]
Value = bytes | float


class Served:
    """The rows of the table `served`, as they are written and looked through."""

    def __init__(self, session: CassandraSession, places: Places) -> None:
        self._session, self._places = session, places

    def parts(self, writer: UnitId | Descriptor, cells: Iterable[Cell]) -> list[Part]:
        """Cells by partition and column; their order stays. Whoever is first makes a storage's place.

        Raises:
            StorageUnavailable: it is not known, and no answer comes.
        """
        places: dict[bytes, Place] = {}
        found: dict[tuple[bytes, int, int], Part] = {}
        for cell in cells:
            name, key, _, _, column, _ = cell
            storage = name or key
            place = places.get(storage)
            if place is None:
                place = places[storage] = self._places.made(writer, storage.decode())
            slot = slot_of(key, place.slots) if name else ABOUT
            part = found.get((storage, slot, column))
            if part is None:
                part = found[storage, slot, column] = Part(place.id, slot, [])
            part.cells.append(cell)
        return list(found.values())

    def ready(self, unit: str, timestamp: int, parts: Iterable[Part]) -> Ready:
        """Cells as batches, ready to be written.

        Args:
            unit: whose cells they are, "topic/partition".
            timestamp: the position that they are of, and one more.

        Raises:
            StorageUnavailable: statements are to be prepared, and no answer comes.
        """
        with asking(self._session.address):
            queries = [self._session.prepared(text).query_id for text in _SERVE]
        rows: list[Batch] = []
        about: list[Batch] = []
        for part in parts:
            found = about if part.slot == ABOUT else rows
            found += [batch(queries[part.column], piece, unit, timestamp) for piece in _pieces(part)]
        return Ready(rows, about)

    def write(self, ready: Ready) -> None:
        """Write the rows, and when all are there what is said of them. All of it may have been written before.

        Raises:
            UnknownOutcome: some of them may not be there.
        """
        for batches in ready:
            with telling(self._session.address):
                Flight(map(self._session.send_encoded, batches)).land()

    def own(self, unit: UnitId, wanted: Sequence[Item]) -> dict[Item, tuple[Value, int]]:
        """A unit's own values of those of the wanted items that exist, each with the position that it is of.

        Raises:
            StorageUnavailable: no answer.
        """
        name, found = served_name(unit), dict[Item, tuple[Value, int]]()
        with asking(self._session.address):
            asked = []
            for where, items in self._by_partition(unit, wanted).items():
                keys = [(*columns, name) for columns in items]
                for start in range(0, len(keys), _ROWS):
                    asked.append((items, self._session.send(_OWN, [*where, keys[start : start + _ROWS]])))
            for items, future in asked:
                for key, bucket, item, *cell in future.result():
                    value, stamp = next(pair for pair in zip(cell[:3], cell[3:], strict=True) if pair[0] is not None)
                    found[items[key, bucket, item]] = value, stamp - 1
        return found

    def refuse_what_is_there(self, descriptor: Descriptor, parts: Sequence[Part]) -> None:
        """Raise WriteRefused where one of these items has a value."""
        with asking(self._session.address):
            found = [
                self._session.send(_THERE, [piece.place, piece.slot, [_item(cell) for cell in piece.cells]])
                for part in parts
                for piece in _pieces(part)
                if part.slot != ABOUT
            ]
            for future in found:
                for key, item in future.result():
                    raise repeated(Address(descriptor.storage, key), item or None)

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
                Flight(self._session.send(_CLEAR, [place.id, n]) for n in (ABOUT, *range(place.slots))).land()
            self._places.leave(writer, storage, place)

    def earlier(self, descriptor: Descriptor, bucket: int) -> list[tuple[str, int]]:
        """Key and bucket of every row of an earlier bucket. Looks through the whole storage."""
        return [(key, found) for key, found in self._rows(descriptor) if NO_BUCKET < found < bucket]

    def before(self, descriptor: Descriptor, key: str) -> list[tuple[str, int]]:
        """The same of every row of an earlier key."""
        return [(found, bucket) for found, bucket in self._rows(descriptor) if found < key]

    def clear_rows(self, descriptor: Descriptor, rows: Sequence[tuple[str, int]]) -> None:
        """Remove rows, by key and bucket. What a late event writes there stays unseen."""
        place = self._places.find(descriptor, descriptor.storage)
        if place is not None:
            with telling(self._session.address):
                where = ((place.id, slot_of(key.encode(), place.slots), key, bucket) for key, bucket in rows)
                Flight(self._session.send(_CLEAR_ROW, row) for row in where).land()

    def remove(self, descriptor: Descriptor, unit: str, timestamp: int, gone: Gone) -> None:
        """Remove a unit's cells of rows, or of items of rows, as of a timestamp: what is written as of it or earlier
        stays away, however late it comes; what is written later is not touched."""
        place = self._places.find(descriptor, descriptor.storage)
        if place is None:
            return
        rows = {(row.key, NO_BUCKET if row.bucket is None else row.bucket): items for row, items in gone.items()}
        wanted = {where: (place.id, slot_of(where[0].encode(), place.slots), *where) for where in rows}
        with telling(self._session.address):
            asked = [(rows[where], at, self._session.send(_CELLS, at)) for where, at in wanted.items()]
            cells = [
                (timestamp, *at, item, unit)
                for items, at, future in asked
                for item, whose in future.result()
                if whose == unit and (items is None or item in items)
            ]
            Flight(self._session.send(_REMOVE, cell) for cell in cells).land()

    def _rows(self, descriptor: Descriptor) -> Iterator[tuple[str, int]]:
        place = self._places.find(descriptor, descriptor.storage)
        pages = (self._session.pages(_BUCKETS, place.id, slot) for slot in range(place.slots)) if place else ()
        return ((key, bucket) for page in pages for key, bucket in page)

    def _by_partition(
        self, unit: UnitId, wanted: Iterable[Item]
    ) -> dict[tuple[UUID, int], dict[tuple[str, int, str], Item]]:
        """Items by partition, and there by their columns; without those of storages that nobody has written."""
        found: dict[tuple[UUID, int], dict[tuple[str, int, str], Item]] = {}
        for address, item in wanted:
            place = self._places.known(unit, address.storage or address.key)
            if place is not None:
                whole = bool(address.storage)
                slot = slot_of(address.key.encode(), place.slots) if whole else ABOUT
                columns = address.key if whole else "", NO_BUCKET if address.bucket is None else address.bucket, item
                found.setdefault((place.id, slot), {})[columns] = address, item
        return found


def merged(items: Iterable[Sequence[Any]]) -> Row:
    """One row of its cells, which end with a record, a total and a score: what units have added is summed up."""
    row: dict[str, Any] = {}
    for *_, item, record, total, score in items:
        if record is not None:
            return bytes(record)
        value = total if total is not None else score
        row[item] = row[item] + value if item in row else value
    return row


def reached(rows: Iterable[tuple[str, str, int]]) -> dict[str, tuple[int | None, int | None]]:
    """What `REACHED` answered: of each unit, by its name here, position and watermark."""
    found: dict[str, dict[str, int]] = {}
    for unit, item, total in rows:
        found.setdefault(unit, {})[item] = total
    return {unit: (items.get(NEXT), items.get(WATERMARK)) for unit, items in found.items()}


def newest_of(rows: Iterable[tuple[str, int]]) -> Newest:
    """What `NEWEST` answered, of all units."""
    found: dict[str, int] = {}
    for item, total in rows:
        found[item] = max(found.get(item, total), total)
    return Newest(found.get(BUCKET), found.get(AT))


def _pieces(part: Part) -> Iterator[Part]:
    """A part in batches that a server takes."""
    if len(part.cells) <= _ROWS and sum(len(cell[5]) for cell in part.cells) <= _BYTES:
        yield part
        return
    cells: list[Cell] = []
    size = 0
    for cell in part.cells:
        if cells and (len(cells) == _ROWS or size + len(cell[5]) > _BYTES):
            yield part._replace(cells=cells)
            cells, size = [], 0
        cells.append(cell)
        size += len(cell[5])
    yield part._replace(cells=cells)


def _item(cell: Cell) -> tuple[str, int, str]:
    _, key, bucket, item, *_ = cell
    return key.decode(), int.from_bytes(bucket, "big", signed=True), item.decode()
