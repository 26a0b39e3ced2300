"""Files that cannot be loaded: what the message says, and that nothing of them is kept."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from schemas import Record, decode_record
from storage import Memory, Ranking
from storage.errors import FileRefused, StorageError
from storage.loads.descriptor import Given
from storage.loads.file import LONGEST
from storage.loads.load import Loaded, load
from storage.loads.open import opened_file
from tests.storage.load_stage import written

NAN, INF = math.nan, math.inf


class Person(Record):
    """A row."""

    user: str
    age: int
    joined: datetime | None = None


def loaded(path: Path, format: str = "ranking", given: Given | None = None, memory: Memory | None = None) -> Loaded:
    """The file, loaded as "it"."""
    return load(memory or Memory(), format, "it", path, given or Given(), "ada")


def refusal(path: Path, format: str = "ranking", given: Given | None = None) -> str:
    """What the message says; nothing is left of the load."""
    memory = Memory()
    with pytest.raises(StorageError) as refused:
        loaded(path, format, given, memory)
    assert memory.storages() == []
    return str(refused.value)


def text(folder: Path, name: str, content: str | bytes) -> Path:
    """A file."""
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    ("format", "lines", "message"),
    [
        ("ranking", "key,member\na,x\n", "t.csv: the column 'score' is missing; it has 'key', 'member', expected key"),
        ("ranking", "key,member,score,rank\na,x,1,2\n", "t.csv: the column 'rank' has no place here; expected key"),
        ("ranking", "key;member;score\na;x;1\n", "t.csv: the column 'key' is missing; it has 'key;member;score'"),
        ("ranking", "key,key,score\na,x,1\n", "t.csv, line 1: a column is named twice"),
        ("ranking", "key,member,score\na,x,1\na,y,high\n", "t.csv, line 3, column 'score': found 'high', expected a f"),
        ("ranking", "key,member,score\n\n\na,x,\n", "t.csv, line 4, column 'score': found null, expected a finite num"),
        ("ranking", 'key,member,score\n"a\nb",x,1\na,y,nan\n', "t.csv, line 4, column 'score': found a number nan, ex"),
        ("ranking", "key,member,score\na,x,inf\n", "t.csv, line 2, column 'score': found a number inf, expected a fin"),
        ("ranking", "key,member,score\n,x,1\n", "t.csv, line 2, column 'key': found null, expected a text or an inte"),
        ("ranking", "key,member,score\na,x,1\na,x\n", "t.csv, line 3: found 2 columns, expected 3."),
        (
            "ranking",
            'key,member,score\na,x,1\nb,"y,1\nc,z,2\n',
            "t.csv, after line 2: unexpected end of data; is a quote",
        ),
        (
            "ranking",
            "key,member,score\na,x,1\na,x,2\n",
            "t.csv, line 3: found key 'a' and member 'x' again, after line",
        ),
        ("ranking", "key,member,score\n", "t.csv has no rows; nothing was loaded."),
        (
            "counters",
            "key,field,value\na,x,1\na,y,1.5\n",
            "t.csv, line 3, column 'value': found '1.5', expected an int",
        ),
        (
            "counters",
            "key,field,value\na,x,9007199254740993\n",
            "line 2, column 'value': found an integer 90071992547409",
        ),
        (
            "counters",
            "key,field,value\na,x,99999999999999999999\n",
            "line 2, column 'value': found '99999999999999999999'",
        ),
        (
            "vectors",
            'key,vector\na,"[1, 2]"\nb,"[1]"\n',
            "t.csv, line 3, column 'vector': found 1 numbers, expected 2.",
        ),
        (
            "vectors",
            "key,vector\na,1 2\n",
            "t.csv, line 2, column 'vector': found '1 2', expected a list of finite numb",
        ),
        (
            "vectors",
            'key,vector\na,"[1]"\nb,"[0]"\n',
            "line 3, column 'vector': found what cannot be held (it is all ze",
        ),
    ],
)
def test_a_csv_file_of_the_wrong_shape(tmp_path: Path, format: str, lines: str, message: str) -> None:
    assert message in refusal(text(tmp_path, "t.csv", lines), format)


@pytest.mark.parametrize(
    ("format", "lines", "message"),
    [
        ("ranking", '{"key":"a","member":"x"}', "t.ndjson, line 1, column 'score': found null, expected a finite numb"),
        ("ranking", '{"key":"a","member":"x","score":"1"}', "line 1, column 'score': found '1', expected a finite num"),
        ("ranking", '{"key":"a","member":"x","score":true}', "line 1, column 'score': found true or false True, expec"),
        ("ranking", '\n{"key":null,"member":"x","score":1}', "line 2, column 'key': found null, expected a text or an"),
        (
            "ranking",
            '{"key":"a","member":"x","score":1,"at":2}',
            "line 1, column 'at': found an integer 2, expected onl",
        ),
        ("ranking", '{"key":"a","member":"x","score":NaN}', "line 1: found no JSON object (JSON is malformed"),
        ("ranking", "[1]", "line 1: found no JSON object (Expected `object`, got `array`), expected one in each line."),
        ("ranking", b'{"key":"\xff","member":"x","score":1}', "line 1: found bytes that are no UTF-8, expected a JSON"),
        (
            "ranking",
            '\n{"key":"a","key":"b","member":"x","score":1}',
            "t.ndjson, line 2: found the key 'key' twice in one object.",
        ),
        (
            "ranking",
            '{"key":"a:b","member":"x","score":1}\n{"key":"a","m\\u0065mber":"x","member":"y","score":1}',
            "line 2: found the key 'member' twice in one object.",
        ),
        ("documents", '{"key":"a","x":{"y":[1,{"z":1,"z":2}]}}', "line 1: found the key 'z' twice in one object."),
        ("documents", '{"key":"a","x":{"y":{},"y":{}}}', "line 1: found the key 'y' twice in one object."),
        (
            "counters",
            '{"key":"a","field":"x","value":1.0}',
            "line 1, column 'value': found a number 1.0, expected an i",
        ),
        (
            "counters",
            f'{{"key":"a","field":"x","value":{2**53 + 1}}}',
            "column 'value': found an integer 9007199254740",
        ),
        (
            "vectors",
            '{"key":"a","vector":[1,2]}\n{"key":"b","vector":[1,null]}',
            "line 2, column 'vector': found a list",
        ),
    ],
)
def test_an_ndjson_file_of_the_wrong_shape(tmp_path: Path, format: str, lines: str | bytes, message: str) -> None:
    assert message in refusal(text(tmp_path, "t.ndjson", lines), format)


@pytest.mark.parametrize("kind", ["parquet", "arrow", "arrows"])
@pytest.mark.parametrize(
    ("format", "columns", "message"),
    [
        ("ranking", {"key": ["a"], "member": ["x"]}, "the column 'score' is missing; it has 'key', 'member', expected"),
        ("ranking", {"key": ["a"], "member": ["x"], "score": ["1"]}, "row 1, column 'score': found '1', as the column"),
        (
            "ranking",
            {"key": ["a"] * 2, "member": [*"xy"], "score": [1.0, None]},
            "row 2, column 'score': found null, e",
        ),
        (
            "ranking",
            {"key": ["a"] * 4, "member": [*"wxyz"], "score": [1.0, 2.0, 3.0, INF]},
            "row 4, column 'score': found a ",
        ),
        (
            "ranking",
            {"key": [1.5], "member": ["x"], "score": [1]},
            "row 1, column 'key': found a number 1.5, as the co",
        ),
        (
            "counters",
            {"key": ["a"], "field": ["x"], "value": [2**53 + 1]},
            "row 1, column 'value': found an integer 90",
        ),
        (
            "counters",
            {"key": ["a"], "field": ["x"], "value": [1.0]},
            "row 1, column 'value': found a number 1.0, as th",
        ),
        ("vectors", {"key": ["a", "b"], "vector": [[1.0], [NAN]]}, "row 2, column 'vector': found a list [nan]"),
        (
            "vectors",
            {"key": ["a", "b"], "vector": [[1.0], [1.0, 2.0]]},
            "row 2, column 'vector': found 2 numbers, expe",
        ),
        (
            "vectors",
            {"key": ["a"], "vector": [[1e39]]},
            "row 1, column 'vector': found what cannot be held (it has 1e+",
        ),
        ("vectors", {"key": ["a"], "vector": [[]]}, "dimensions"),
        ("vectors", {"key": ["a"], "array": [[1.0]]}, "the column 'vector' is missing; it has 'key', 'array'"),
        ("records", {"name": ["a"]}, "the column 'key' is missing; it has 'name', expected key"),
        ("records", {"key": ["a"], "no name": [1]}, "The column 'no name' can name no field"),
    ],
)
def test_a_columnar_file_of_the_wrong_shape(
    tmp_path: Path, kind: str, format: str, columns: dict[str, Any], message: str
) -> None:
    assert message in refusal(written(tmp_path, kind, columns), format)


PERSON = Given("user", Person.avro_schema())


@pytest.mark.parametrize(
    ("kind", "columns", "message"),
    [
        ("csv", {"user": ["a"], "age": ["old"]}, "table.csv, line 2: Field age must be an integer, not a text."),
        (
            "csv",
            {"user": ["a"], "age": [1], "joined": ["now"]},
            "line 2: Field joined must be a time such as 2026-01-3",
        ),
        ("ndjson", {"user": ["a"], "age": [1.5]}, "table.ndjson, line 1: Field age must be an integer, not a number."),
        ("parquet", {"user": ["a"], "age": [1.5]}, "row 1, column 'age': found a number 1.5, as the column has Float6"),
        ("parquet", {"user": ["a", "b"], "age": [1, None]}, "row 2, column 'age': found null, expected long"),
        ("parquet", {"user": ["a"], "age": [1], "joined": ["x"]}, "row 1, column 'joined': found 'x', as the column h"),
        (
            "parquet",
            {"user": ["a"], "age": [1], "town": ["x"]},
            "the column 'town' has no place here; expected user, a",
        ),
        ("parquet", {"user": ["a"]}, "the column 'age' is missing; it has 'user', expected user, age, joined."),
    ],
)
def test_records_that_do_not_fit_their_schema(tmp_path: Path, kind: str, columns: dict[str, Any], message: str) -> None:
    assert message in refusal(written(tmp_path, kind, columns), "records", PERSON)


def test_a_field_that_becomes_null_after_the_first_rows_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.loads.ndjson_file.ROWS", 2)
    file = written(tmp_path, "ndjson", {"key": [*"abc"], "n": [1, 2, None]})
    assert "line 3: Field n must be an integer, not null" in refusal(file, "records")
    optional = {"type": "record", "name": "N", "fields": [{"name": "n", "type": ["null", "long"], "default": None}]}
    assert loaded(file, "records", Given(schema=optional)).rows == 3


def test_what_cannot_be_read_at_all(tmp_path: Path) -> None:
    parquet = written(
        tmp_path, "parquet", {"key": ["a"] * 9, "member": [*"abcdefghi"], "score": [1.0] * 9}
    ).read_bytes()
    assert "cannot be read: No such file" in refusal(tmp_path / "missing.csv")
    assert "cannot be read: Is a directory" in refusal(tmp_path)
    assert "e.csv is empty" in refusal(text(tmp_path, "e.csv", ""))
    assert "cannot be read as Parquet" in refusal(text(tmp_path, "cut.parquet", parquet[:-9]))
    assert "begins with b'key,memb'" in refusal(text(tmp_path, "no.parquet", "key,member,score\n"))
    assert "is compressed; unpack it" in refusal(text(tmp_path, "t.csv.gz", b"\x1f\x8b\x08"))
    assert "t.csv, line 3: found bytes that are no UTF-8" in refusal(
        text(tmp_path, "t.csv", b"key,member,score\na,x,1\nb,\xff,1\n")
    )
    assert "line 1: it is longer than 4 MiB" in refusal(text(tmp_path, "l.ndjson", b'{"key":"' + b"x" * LONGEST))


def test_parquet_that_is_damaged_inside_is_refused_at_the_row(tmp_path: Path) -> None:
    table = pl.DataFrame({"key": [*"abcd"], "member": ["x", "y", "zz", "w"], "score": [1.0] * 4}).to_arrow()
    broken = table.set_column(1, "member", pa.array([b"x", b"y", b"\xff\xff", b"w"], pa.binary()).view(pa.string()))
    pq.write_table(broken, tmp_path / "t.parquet")
    assert "row 3, column 'member': found" in refusal(tmp_path / "t.parquet")
    with pa.ipc.new_file(tmp_path / "t.arrow", broken.schema) as writer:
        writer.write_table(broken)
    assert "row 3, column 'member': found" in refusal(tmp_path / "t.arrow")


def test_an_arrow_stream_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    whole = written(tmp_path, "arrows", {"key": [*"abcdef"], "member": ["x"] * 6, "score": [1.0] * 6}).read_bytes()
    assert "cannot be read as an Arrow stream" in refusal(text(tmp_path, "cut.arrows", whole[: len(whole) * 2 // 3]))


def test_a_decaying_ranking_needs_to_know_when(tmp_path: Path) -> None:
    memory = Memory()
    memory.declare(Ranking("it", half_life=timedelta(hours=1), technology="memory").describe("l", 1, 1, "clicks"))
    file = text(tmp_path, "t.csv", "key,member,score\na,x,1\n")
    with pytest.raises(FileRefused, match="the column 'at' is missing"):
        loaded(file, memory=memory)
    naive = text(tmp_path, "t.csv", "key,member,score,at\na,x,1,2026-01-01T00:00:00\n")
    with pytest.raises(FileRefused, match="line 2, column 'at': found '2026-01-01T00:00:00', expected a time with its"):
        loaded(naive, memory=memory)
    huge = text(tmp_path, "t.csv", "key,member,score,at\na,x,1e308,2026-01-01T11:00:00Z\n")
    with pytest.raises(FileRefused, match=r"line 2, column 'score': found 1e.308, expected a score that can grow"):
        loaded(huge, memory=memory)


@pytest.mark.parametrize("kind", ["parquet", "csv", "ndjson", "arrow", "arrows"])
def test_pieces_are_bounded_in_bytes_as_well_as_in_rows(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("storage.loads.columnar", "storage.loads.ndjson_file"):
        monkeypatch.setattr(f"{module}.BYTES", 10_000)
    pieces = list(opened_file(written(tmp_path, kind, {"key": ["x" * 1000] * 50, "n": [1] * 50})).pieces())
    assert max(piece.height for piece in pieces) <= 11
    assert sum(piece.height for piece in pieces) == 50
    assert [piece.first for piece in pieces] == [sum(one.height for one in pieces[:n]) for n in range(len(pieces))]


def test_a_schema_is_inferred_from_the_columns_of_a_file(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {
            "user": ["a", "b"],
            "age": [1, None],
            "score": [0.5, 1.5],
            "joined": [datetime(2026, 1, 1, tzinfo=UTC)] * 2,
            "tags": [["x"], []],
            "home": [{"town": "b"}, {"town": None}],
            "on": [True, False],
        }
    )
    frame.write_parquet(tmp_path / "t.parquet")
    schema = loaded(tmp_path / "t.parquet", "records", Given("user")).descriptor.schema
    assert schema is not None
    assert {field["name"]: field["type"] for field in schema["fields"]} == {
        "user": "string",
        "age": ["null", "long"],
        "score": "double",
        "joined": {"type": "long", "logicalType": "timestamp-micros"},
        "tags": {"type": "array", "items": ["null", "string"]},
        "home": {
            "type": "record",
            "name": "It_home",
            "fields": [{"name": "town", "type": ["null", "string"], "default": None}],
        },
        "on": "boolean",
    }


class Place(Record):
    """A part of a row."""

    town: str
    tags: list[str]


class Shop(Record):
    """A row with all that is not plain."""

    weights: dict[str, float]
    place: Place
    at: datetime
    day: date | None
    raw: bytes
    counts: dict[str, int] | None = None


def test_records_hold_maps_parts_and_times_as_parquet_has_them(tmp_path: Path) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    table = pa.table(
        {
            "key": [1, 2],
            "weights": pa.array([[("a", 1.0), ("b", 2.0)], []], pa.map_(pa.string(), pa.float64())),
            "place": [{"town": "é", "tags": ["x"]}, {"town": "", "tags": []}],
            "at": pa.array([at, at], pa.timestamp("us", "UTC")),
            "day": [date(2026, 1, 2), None],
            "raw": [b"\x00", b""],
            "counts": pa.array([None, [("z", 3)]], pa.map_(pa.string(), pa.int64())),
        }
    )
    pq.write_table(table, tmp_path / "t.parquet")
    memory = Memory()
    done = loaded(tmp_path / "t.parquet", "records", Given(schema=Shop.avro_schema()), memory)
    rows = {address.key: row for address, row in memory.dump(done.descriptor)}
    assert {key: decode_record(Shop, row) for key, row in rows.items() if isinstance(row, bytes)} == {
        "1": Shop({"a": 1.0, "b": 2.0}, Place("é", ["x"]), at, date(2026, 1, 2), b"\x00", None),
        "2": Shop({}, Place("", []), at, None, b"", {"z": 3}),
    }
