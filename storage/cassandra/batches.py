"""Batches of rows, made ready to be sent in the protocol's own encoding: row by row the driver takes six times as long,
and only when it sends. (Native protocol, version 4, section 4.1.7.)"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import NamedTuple

from storage.cassandra.cells import Cell, small
from storage.cassandra.redo import Part
from storage.cassandra.tables import ABOUT, RECORD

_UNLOGGED, _PREPARED, _WITH_TIMESTAMP = 1, 1, 0x20
_START = struct.Struct(">BH").pack
_END = struct.Struct(">HBq").pack
_STATEMENT = struct.Struct(">BH").pack
_COUNT = struct.Struct(">H").pack


class Batch(NamedTuple):
    """One batch of one partition.

    Attributes:
        partition: its key, so that a node is asked that has it.
        statements: the message up to its consistency, which whoever sends it knows.
        timestamp: of its cells.
    """

    partition: tuple[bytes, bytes]
    statements: bytes
    timestamp: int

    def body(self, consistency: int) -> bytes:
        """The message without its header."""
        return self.statements + _END(consistency, _WITH_TIMESTAMP, self.timestamp)


def batch(query: bytes, part: Part, unit: str, timestamp: int) -> Batch:
    """A part of at most 65,535 cells, as one batch.

    Args:
        query: the prepared statement's id. Its values are the cell's, place, slot, unit and key, and but for a record
            bucket and item.
        unit: whose cells they are.
    """
    partition, records = (part.place.bytes, small(part.slot)), part.column == RECORD
    where = b"".join(map(_value, (*partition, unit.encode())))
    head = _STATEMENT(_PREPARED, len(query)) + query + _COUNT(5 if records else 7)
    cells = _records(part.cells, head, where) if records else _items(part.cells, head, where, part.slot != ABOUT)
    return Batch(partition, b"".join([_START(_UNLOGGED, len(part.cells)), *cells]), timestamp)


def _records(cells: Iterable[Cell], head: bytes, where: bytes) -> list[bytes]:
    return [
        piece
        for _, key, _, _, _, value in cells
        for piece in (head, small(len(value)), value, where, small(len(key)), key)
    ]


def _items(cells: Iterable[Cell], head: bytes, where: bytes, keyed: bool) -> list[bytes]:
    """What is said of a storage has no key. All values have eight bytes."""
    head, short = head + small(8), where + small(0)
    ends: dict[tuple[bytes, bytes], bytes] = {}
    found: list[bytes] = []
    for _, key, bucket, item, _, value in cells:
        end = ends.get((bucket, item))
        if end is None:
            end = ends[bucket, item] = _value(bucket) + _value(item)
        found += (head, value, where, small(len(key)), key, end) if keyed else (head, value, short, end)
    return found


def _value(value: bytes) -> bytes:
    return small(len(value)) + value
