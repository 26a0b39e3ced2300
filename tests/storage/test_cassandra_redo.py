"""What a unit's commit leaves behind in Cassandra, as one value."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from storage.cassandra.cells import Cell, integer
from storage.cassandra.redo import Part, packed, unpacked
from storage.cassandra.tables import ABOUT, NO_BUCKET, RECORD, SCORE, TOTAL
from storage.errors import SuspectGeneration

WHOLE = integer(NO_BUCKET)
PLACE = uuid4()
PARTS = [
    Part(PLACE, 7, [(b"", b"anna", WHOLE, b"", RECORD, b"\x00\xff" * 60), (b"", b"", WHOLE, b"", RECORD, b"")]),
    Part(PLACE, 0, [(b"", "kö".encode(), WHOLE, b"", RECORD, bytes(70_000))]),
    Part(uuid4(), 3, [(b"", b"k", integer(-4), b"m", SCORE, bytes(8)), (b"", b"k", integer(5), b"", SCORE, bytes(8))]),
    Part(UUID(int=0), ABOUT, [(b"", b"counters/x", WHOLE, b"next", TOTAL, integer(2**53))]),
]


def test_a_redo_is_read_as_it_was_written() -> None:
    assert unpacked(packed(PARTS)) == PARTS
    assert unpacked(packed([])) == []


def test_a_redo_does_not_know_the_names_of_storages() -> None:
    cell: Cell = (b"records/seen", b"k", WHOLE, b"", RECORD, b"v")
    assert unpacked(packed([Part(PLACE, 1, [cell])])) == [Part(PLACE, 1, [(b"", *cell[1:])])]


def test_a_redo_of_another_layout_is_refused() -> None:
    with pytest.raises(SuspectGeneration, match="Raise the learner's version"):
        unpacked(b"\x02" + packed(PARTS)[1:])
