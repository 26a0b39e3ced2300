"""Columns that no frame has, times that no calendar has, and text that is stored once for many rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from storage import Memory
from storage.errors import FileRefused
from storage.loads.descriptor import Given
from storage.loads.file import BYTES
from storage.loads.load import load
from storage.loads.open import opened_file
from storage.loads.piece import FramePiece

WIDE = 64 << 10


def refusal(path: Path, table: pa.Table) -> str:
    """What the message says; nothing is left of the load."""
    pq.write_table(table, path)
    memory = Memory()
    with pytest.raises(FileRefused) as refused:
        load(memory, "records", "it", path, Given(), "ada")
    assert memory.storages() == []
    return str(refused.value)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pa.array([1], pa.decimal256(60, 2)), "the column 'x' has decimal256(60, 2), and a decimal has at most 38"),
        (pa.array([[1]], pa.list_(pa.decimal256(60, 2))), "the column 'x' has list<element: decimal256(60, 2)>"),
        (pa.array([2**62], pa.timestamp("us", "UTC")), "row 1, column 'x': found 4611686018427387904 in Datetime"),
        (pa.array([-(2**62)], pa.timestamp("ms", "UTC")), "row 1, column 'x': found -4611686018427387904 in Datetime"),
        (pa.array([2**31 - 1], pa.date32()), "row 1, column 'x': found 2147483647 in Date, expected a time between"),
        (pa.array([{"a": 2**62}], pa.struct([("a", pa.timestamp("us", "UTC"))])), "between row 1 and row 1: it holds"),
    ],
)
def test_columns_that_are_refused_in_words(tmp_path: Path, column: Any, message: str) -> None:
    assert message in refusal(tmp_path / "t.parquet", pa.table({"key": ["a"], "x": column}))


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    table = pa.table({"key": ["a"], "other": ["b"]}).rename_columns(["key", "key"])
    assert "the column 'key' is there twice" in refusal(tmp_path / "t.parquet", table)


@pytest.mark.parametrize("stored", [True, False])
@pytest.mark.parametrize("kind", ["parquet", "arrow"])
def test_text_that_is_stored_once_for_many_rows_is_decoded_a_piece_at_a_time(
    tmp_path: Path, kind: str, stored: bool
) -> None:
    rows, path = 2_000, tmp_path / f"t.{kind}"
    which = pa.array([0] * 300 + [1] * rows, pa.int32())
    texts = pa.DictionaryArray.from_arrays(which, pa.array(["short", "x" * WIDE]))
    table = pa.table({"key": [f"k{row}" for row in range(rows + 300)], "text": texts})
    if kind == "parquet":
        pq.write_table(table, path, store_schema=stored)
    else:
        with pa.ipc.new_file(path, table.schema) as writer:
            writer.write_table(table)
    assert path.stat().st_size < 400_000
    frames = [piece.frame for piece in opened_file(path).pieces() if isinstance(piece, FramePiece)]
    assert sum(frame.height for frame in frames) == rows + 300
    for frame in frames:
        assert frame["text"].cast(pl.String).str.len_bytes().sum() <= BYTES
