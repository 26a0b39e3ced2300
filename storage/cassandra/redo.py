"""A unit's redo: what its last commit writes, in one value, which is kept until all of it is served.

It holds the places too, not the storages' names: what is served again later, by whoever claims the unit then, is served
to where it belonged, even if the storage has been erased meanwhile and written anew.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from itertools import accumulate, chain, pairwise
from typing import NamedTuple
from uuid import UUID

from storage.cassandra.cells import Cell, integer
from storage.cassandra.tables import NO_BUCKET, RECORD
from storage.errors import SuspectGeneration

_VERSION = b"\x01"
_HEAD = struct.Struct(">16siIB")
"""Of a part: place, slot, how many cells it has, and their column. Then the lengths of their keys and values, and but
for records of their items, 4 bytes each; and, end to end, the keys, the values, and but for records the items, and the
buckets, 8 bytes each."""
_BUCKET = 8
_WHOLE = integer(NO_BUCKET)


class Part(NamedTuple):
    """Cells of one column in one partition of `served`. Those that are read from a redo do not know their storage."""

    place: UUID
    slot: int
    cells: list[Cell]

    @property
    def column(self) -> int:
        """Of all its cells."""
        return self.cells[0][4]


def packed(parts: Sequence[Part]) -> bytes:
    """The parts in one value."""
    return b"".join([_VERSION, *(piece for part in parts for piece in _packed(part))])


def unpacked(redo: bytes) -> list[Part]:
    """What was packed.

    Raises:
        SuspectGeneration: it was not packed here.
    """
    if redo[:1] != _VERSION:
        raise SuspectGeneration(
            f"A unit's redo begins with {redo[:1]!r}, not with {_VERSION!r}. Raise the learner's version, so "
            "that all of it is built anew."
        )
    found = []
    start = len(_VERSION)
    while start < len(redo):
        part, start = _unpacked(redo, start)
        found.append(part)
    return found


def _packed(part: Part) -> Iterator[bytes]:
    _, keys, buckets, items, _, values = zip(*part.cells, strict=True)
    column = part.column
    lists = (keys, values) if column == RECORD else (keys, values, items)
    yield _HEAD.pack(part.place.bytes, part.slot, len(keys), column)
    yield struct.pack(f">{len(lists) * len(keys)}I", *(length for pieces in lists for length in map(len, pieces)))
    yield from chain(*lists, () if column == RECORD else buckets)


def _unpacked(redo: bytes, start: int) -> tuple[Part, int]:
    place, slot, count, column = _HEAD.unpack_from(redo, start)
    start += _HEAD.size
    number = 2 * count if column == RECORD else 3 * count
    lengths = struct.unpack_from(f">{number}I", redo, start) + (() if column == RECORD else (_BUCKET,) * count)
    ends = list(accumulate(lengths, initial=start + 4 * number))
    pieces = [redo[begin:end] for begin, end in pairwise(ends)]
    keys, values, *others = (pieces[first : first + count] for first in range(0, len(pieces), count))
    items, buckets = others or ([b""] * count, [_WHOLE] * count)
    cells = zip([b""] * count, keys, buckets, items, [column] * count, values, strict=True)
    return Part(UUID(bytes=place), slot, list(cells)), ends[-1]
