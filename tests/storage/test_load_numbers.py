"""Numbers of every width are loaded as they are, or refused by row and column."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage import Memory
from storage.address import Address
from storage.errors import FileRefused
from storage.loads.descriptor import Given
from storage.loads.load import load
from storage.writes import EXACT

WIDTHS: dict[Any, tuple[int, int]] = {
    **{kind: (0, 2**bits - 1) for kind, bits in ((pl.UInt8, 8), (pl.UInt16, 16), (pl.UInt32, 32), (pl.UInt64, 64))},
    **{
        kind: (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        for kind, bits in ((pl.Int8, 8), (pl.Int16, 16), (pl.Int32, 32), (pl.Int64, 64))
    },
}


@settings(max_examples=80)
@given(st.sampled_from(sorted(WIDTHS, key=str)), st.sampled_from(["value", "score"]), st.data())
def test_integers_of_every_width_are_loaded_or_refused_by_row(
    kind: type[pl.DataType], column: str, data: st.DataObject
) -> None:
    least, most = WIDTHS[kind]
    numbers = data.draw(st.lists(st.integers(least, most), min_size=1, max_size=4))
    counted = column == "value"
    keys = [f"k{row}" for row in range(len(numbers))]
    frame = pl.DataFrame({"key": keys, "field" if counted else "member": ["x"] * len(keys)}).with_columns(
        pl.Series(column, numbers, kind)
    )
    wrong = next((row for row, number in enumerate(numbers) if abs(number) > EXACT), None)
    memory, format = Memory(), "counters" if counted else "ranking"
    with TemporaryDirectory() as folder:
        file = Path(folder) / "t.parquet"
        frame.write_parquet(file)
        if wrong is not None:
            with pytest.raises(FileRefused, match=f"row {wrong + 1}, column '{column}': found an integer "):
                load(memory, format, "it", file, Given(), "ada")
            return
        done = load(memory, format, "it", file, Given(), "ada")
    rows = dict(memory.dump(done.descriptor))
    assert [rows[Address(f"{format}/it", key)] for key in keys] == [{"x": number} for number in numbers]


def test_what_polars_counts_is_loaded(tmp_path: Path) -> None:
    clicks = pl.DataFrame({"key": ["a", "a", "b"], "field": ["x", "x", "y"]})
    clicks.group_by("key", "field").agg(pl.len().alias("value")).write_parquet(tmp_path / "t.parquet")
    assert load(Memory(), "counters", "it", tmp_path / "t.parquet", Given(), "ada").rows == 2


@pytest.mark.parametrize("lines", ['{"key":"a","vector":[1,%s]}\n', '{"key":"a","vector":[%s]}\n'])
def test_a_number_of_hundreds_of_digits_is_no_number_of_a_vector(tmp_path: Path, lines: str) -> None:
    file = tmp_path / "t.ndjson"
    file.write_text(lines % ("9" * 400), "utf-8")
    with pytest.raises(FileRefused, match="line 1, column 'vector': found a list"):
        load(Memory(), "vectors", "it", file, Given(), "ada")
