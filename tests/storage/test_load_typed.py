"""Rows as a frame of given types: the same from every kind of file, and a value that does not fit is named."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.errors import FileRefused
from storage.loads.open import opened_file
from storage.loads.typed import KINDS, typed, types_of
from tests.storage.load_stage import KINDS as FILES
from tests.storage.load_stage import written

_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00\r"), min_size=1, max_size=8)
ROW = st.fixed_dictionaries(
    {
        "text": st.none() | _TEXT,
        "integer": st.none() | st.integers(-(2**63), 2**63 - 1),
        "number": st.none() | st.floats(allow_nan=False, allow_infinity=False),
        "boolean": st.none() | st.booleans(),
        "time": st.none() | st.datetimes(datetime(1000, 1, 1), datetime(3000, 1, 1), timezones=st.just(UTC)),
        "date": st.none() | st.dates(date(1000, 1, 1), date(3000, 1, 1)),
    }
)


@settings(max_examples=25)
@given(st.lists(ROW, min_size=1, max_size=4), st.sampled_from(FILES))
def test_every_kind_of_file_gives_the_same_rows(rows: list[dict[str, Any]], kind: str) -> None:
    wanted = pl.DataFrame(rows, schema=KINDS)
    plain = kind in ("csv", "ndjson")
    columns: Mapping[str, Any] = {
        name: [said(value) for value in wanted[name]] if plain else wanted[name] for name in KINDS
    }
    with TemporaryDirectory() as folder:
        pieces = list(opened_file(written(Path(folder), kind, columns)).pieces())
    assert pl.concat(typed(piece, KINDS) for piece in pieces).equals(wanted)
    if not plain:
        assert types_of(pieces[0]) == dict(KINDS)


def said(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        ("integer", "1.5", "found '1.5', expected an integer of 64 bits, or nothing"),
        ("integer", str(2**63), "found '9223372036854775808', expected an integer"),
        ("number", "inf", "found 'inf', expected a finite number"),
        ("boolean", "yes", "found 'yes', expected true or false"),
        ("time", "2026-01-31T12:00:00", "expected a time with its zone"),
        ("date", "31.1.2026", "expected a day, such as 2026-01-31"),
    ],
)
@pytest.mark.parametrize("file", ["csv", "ndjson", "parquet"])
def test_a_value_of_another_type_is_named(tmp_path: Path, file: str, kind: str, value: str, message: str) -> None:
    path = written(tmp_path, file, {"key": ["a", "b", "c"], "it": [None, value, None]})
    (piece,) = opened_file(path).pieces() if file != "parquet" else [next(iter(opened_file(path).pieces()))]
    where = {"csv": "line 3", "ndjson": "line 2", "parquet": "row 2"}[file]
    with pytest.raises(FileRefused, match=f"{where}, column 'it'") as refused:
        typed(piece, {"key": pl.String(), "it": KINDS[kind]})
    assert message.partition("expected")[2] in str(refused.value)


def test_types_that_no_table_keeps_and_fields_of_several_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.ndjson"
    path.write_text('{"a": 1}\n{"a": "x"}\n')
    with pytest.raises(FileRefused, match="the field 'a' has values of several types; declare its type"):
        types_of(next(iter(opened_file(path).pieces())))
    path.write_text('{"a": 1, "n": {"b": [1]}}\n{"a": 1.5}\n')
    found = types_of(next(iter(opened_file(path).pieces())))
    assert found == {"a": pl.Float64(), "n": pl.Struct({"b": pl.List(pl.Int64)})}
    pl.DataFrame({"a": [1]}).with_columns(pl.duration(seconds=1).alias("d")).write_parquet(tmp_path / "t.parquet")
    with pytest.raises(FileRefused, match="the column 'd' has Duration"):
        types_of(next(iter(opened_file(tmp_path / "t.parquet").pieces())))
