"""Both decoders agree with the values that Apache Avro publishes for its bytes, or end in a controlled error."""

from __future__ import annotations

import datetime as dt
import json
import math
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from polars.testing import assert_frame_equal

from schemas import Codec, EventType, MalformedEvent, SchemaError, wire
from schemas.avro import Schema, of_text
from schemas.columns import frame_of
from schemas.datum import datum_reader

CASES = json.loads((Path(__file__).parents[1] / "vectors" / "avro_vectors.json").read_text("utf-8"))["cases"]


def plain(value: Any) -> Any:
    """A decoded value in the notation of the published cases."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, bytes):
        return {"$bytes": value.hex()}
    if isinstance(value, float) and not math.isfinite(value):
        return {"$float": "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"}
    for kind, name in ((dt.datetime, "$datetime"), (dt.date, "$date"), (dt.time, "$time"), (UUID, "$uuid")):
        if isinstance(value, kind):
            return {name: _iso(value)}
    return {"$decimal": str(value)} if isinstance(value, Decimal) else value


def _iso(value: dt.date | dt.time | UUID) -> str:
    if isinstance(value, dt.datetime | dt.time):
        return value.isoformat(timespec="microseconds")
    return str(value)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_body_is_read_as_published(case: dict[str, Any]) -> None:
    body = bytes.fromhex(case["hex_payload"])
    try:
        writer = of_text(json.dumps(case["writer_schema"]))
        reader = writer if case["reader_schema"] is None else of_text(json.dumps(case["reader_schema"]))
        value = datum_reader(writer, reader).read(body)
    except SchemaError:
        assert case.get("error") or case.get("disputed"), "a value was due"
        return
    assert not case.get("error")
    assert as_due(value, case)


WITHOUT_COLUMNS = {
    "pub/evolved/long_union_to_union_float_long": "one of float, long",
    "pub/evolved/long_union_to_union_float_double": "one of float, double",
    "pub/interop/full": "one of boolean, double, array",
    "pub/interop/projected_reordered": "contains itself",
    "pub/interop/all_promoted": "one of boolean, double, array",
    "pub/file/schemas_withUnion/0": "one of string, int",
    "pub/file/schemas_withUnion/1": "one of string, int",
    "pub/file/schemas_withUnion/2": "one of string, int",
    "pub/schema_tests/018": "one of int, boolean",
    "pub/schema_tests/033": "one of int, long, vectors.PigValue",
    "cplx/lisp": "one of string, vectors.Cons",
    "cplx/record_called_record": "contains itself",
    "cplx/record_called_ns.long": "contains itself",
}
"""No column holds what their readers want, whatever is in it: a reader leaves such a field out, or has one for each
type. Single events are read."""


def wrapped(schema: Any) -> dict[str, Any]:
    """The schema of a record with one field; a body of it is one of the field's type."""
    return {"type": "record", "name": "vectors.Wrapped", "fields": [{"name": "value", "type": schema}]}


@pytest.mark.parametrize("events", [1, 40], ids=["alone", "batch"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_message_is_read_into_columns_as_published(case: dict[str, Any], events: int) -> None:
    writer = wrapped(case["writer_schema"])
    reader = EventType("vectors", writer if case["reader_schema"] is None else wrapped(case["reader_schema"]))
    codec, payload = Codec(Registered(writer)), wire.frame(7, bytes.fromhex(case["hex_payload"]))
    if case["name"] in WITHOUT_COLUMNS:
        with pytest.raises(SchemaError, match=WITHOUT_COLUMNS[case["name"]]):
            _ = reader.frame_schema
        assert as_due(codec.decode(payload, reader)["value"], case)
        return
    decoded = codec.decode_batch([payload] * events, reader)
    if case.get("error"):
        assert [bad.index for bad in decoded.bad] == list(range(events))
        return
    assert decoded.bad == ()
    assert decoded.frame.schema == reader.frame_schema
    value = codec.decode(payload, reader)
    assert as_due(value["value"], case)
    assert_frame_equal(decoded.frame, frame_of([value] * events, reader.schema), check_exact=True)


def as_due(value: Any, case: dict[str, Any]) -> bool:
    return plain(value) in [case["expected"], case.get("expected_logical"), *case.get("also_accept", ())]


class Registered:
    """A registry that has one schema."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema

    def schema(self, schema_id: int) -> Schema:
        return self._schema


def test_a_default_record_is_filled_with_the_defaults_of_its_fields() -> None:
    inner = [
        {"name": "n", "type": "int"},
        {"name": "raw", "type": "bytes", "default": "\u00ff"},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}, "default": 0},
        {
            "name": "price",
            "type": {"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2},
            "default": "{",
        },
    ]
    added = {"name": "x", "type": {"type": "record", "name": "I", "fields": inner}, "default": {"n": 7}}
    old: dict[str, Any] = {"type": "record", "name": "R", "fields": []}
    found = datum_reader(old, old | {"fields": [added]}).read(b"")
    epoch = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    assert found == {"x": {"n": 7, "raw": b"\xff", "at": epoch, "price": Decimal("1.23")}}


def test_a_default_that_is_no_value_of_its_type_counts_as_none() -> None:
    old: dict[str, Any] = {"type": "record", "name": "R", "fields": []}
    kind = {"type": "enum", "name": "E", "symbols": ["A"]}
    new = old | {"fields": [{"name": "x", "type": kind, "default": "B"}]}
    with pytest.raises(MalformedEvent, match="No default value for field x in R"):
        datum_reader(old, new).read(b"")
    assert datum_reader(new, old).read(b"\x00") == {}


@pytest.mark.parametrize("name", ["record", "error", "array", "map", "enum", "fixed", "union", "request", "a.record"])
def test_a_type_may_be_named_as_a_kind_of_type_is(name: str) -> None:
    fields = [{"name": "value", "type": "int"}, {"name": "next", "type": ["null", name]}]
    inner = {"type": "record", "name": name, "fields": fields}
    writer = {"type": "record", "name": "b.Outer", "fields": [{"name": "first", "type": inner | {"namespace": ""}}]}
    reader = {**writer, "doc": "another text, so that the two are resolved"}
    expected = {"first": {"value": 1, "next": {"value": 2, "next": None}}}
    for schemas in ((writer, writer), (writer, reader)):
        assert datum_reader(*schemas).read(bytes.fromhex("02020400")) == expected
