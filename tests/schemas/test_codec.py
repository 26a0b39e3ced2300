"""Both decoders give the same for the same bytes, and no bytes do harm."""

from __future__ import annotations

import struct
import tracemalloc
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from schemas import Codec, EventType, MalformedEvent, RegistryUnavailable, SchemaError, UnknownSchema, columnar, wire
from schemas.avro import Schema
from schemas.columns import frame_of
from schemas.datum import datum_reader
from schemas.datum_writer import datum_writer
from schemas.projection import projection


class Schemas:
    """A source of schemas at hand."""

    def __init__(self, *schemas: Schema) -> None:
        self.schemas = list(schemas)
        self.asked = 0
        self.away = False

    def schema(self, schema_id: int) -> Schema:
        self.asked += 1
        if self.away:
            raise RegistryUnavailable("away")
        if not 1 <= schema_id <= len(self.schemas):
            raise UnknownSchema(f"no {schema_id}")
        return self.schemas[schema_id - 1]


def body(schema: Schema, row: Mapping[str, Any]) -> bytes:
    return datum_writer(schema).write(row, "test")


MILLIS = {"type": "long", "logicalType": "timestamp-millis"}
CLICK = {
    "type": "record",
    "name": "Click",
    "fields": [{"name": "user", "type": "string"}, {"name": "n", "type": "long"}],
}


@settings(max_examples=50)
@given(st.sets(st.integers(0, 299), max_size=12), st.binary(max_size=12))
def test_bad_events_are_found_wherever_they_are_and_the_good_ones_keep_their_order(bad: set[int], junk: bytes) -> None:
    payloads: list[bytes | None] = [
        wire.frame(1, junk + b"\xff" * 20) if n in bad else wire.frame(1, body(CLICK, {"user": f"u{n}", "n": n}))
        for n in range(300)
    ]
    decoded = Codec(Schemas(CLICK)).decode_batch(payloads, EventType("clicks", CLICK))
    assert [item.index for item in decoded.bad] == sorted(bad)
    assert decoded.good.tolist() == [n for n in range(300) if n not in bad]
    assert decoded.frame["n"].to_list() == decoded.good.tolist()


@pytest.mark.parametrize(
    ("payload", "error", "reason"),
    [
        (None, "MalformedEvent", "tombstone"),
        (b"", "MalformedEvent", "too few"),
        (b"\x01\x00\x00\x00\x01x", "MalformedEvent", "first byte is 0x01"),
        (b"\x00\x00\x00\x00\x07x", "UnknownSchema", "no schema with the id 7"),
        (b"\x00\x00\x00\x00\x01\x04u", "MalformedEvent", "2 bytes are due"),
        (wire.frame(1, b"\x02u\x02!"), "MalformedEvent", "1 bytes are left after the value"),
        (wire.frame(1, b"\x02\xff\x02"), "MalformedEvent", "not UTF-8"),
    ],
)
def test_each_bad_payload_has_its_reason(payload: bytes | None, error: str, reason: str) -> None:
    good = wire.frame(1, body(CLICK, {"user": "u", "n": 1}))
    decoded = Codec(Schemas(CLICK)).decode_batch([good, payload, good], EventType("clicks", CLICK))
    (bad,) = decoded.bad
    assert (bad.index, bad.error) == (1, error)
    assert reason in bad.reason
    assert decoded.frame["user"].to_list() == ["u", "u"]


def test_events_of_several_writers_come_as_one_frame_in_order() -> None:
    old = CLICK
    new = {**CLICK, "fields": [*CLICK["fields"], {"name": "where", "type": "string", "default": "?"}]}
    payloads: list[bytes | None] = [
        wire.frame(1, body(old, {"user": "a", "n": n}))
        if n % 2
        else wire.frame(2, body(new, {"user": "a", "n": n, "where": "x"}))
        for n in range(100)
    ]
    codec = Codec(Schemas(old, new))
    for reader in (old, new):
        assert codec.decode_batch(payloads, EventType("clicks", reader)).frame["n"].to_list() == list(range(100))
    frame = codec.decode_batch(payloads, EventType("clicks", new)).frame
    assert frame["where"].to_list() == ["x", "?"] * 50


@pytest.mark.parametrize(
    ("written", "read", "value", "expected"),
    [
        ("int", "long", 3, 3),
        ("long", "double", 3, 3.0),
        ("float", "double", 0.5, 0.5),
        (["null", "int"], ["null", "long"], 3, 3),
    ],
)
def test_columns_are_promoted_as_single_records_are(written: Any, read: Any, value: Any, expected: Any) -> None:
    writer, reader = ({"type": "record", "name": "R", "fields": [{"name": "x", "type": t}]} for t in (written, read))
    project = projection(writer, reader)
    assert project is not None
    data = body(writer, {"x": value})
    whole = project(columnar.decode([data], writer))
    assert_frame_equal(whole, frame_of([datum_reader(writer, reader).read(data)], reader))
    assert whole["x"].to_list() == [expected]


def test_a_long_read_as_a_float_is_the_same_in_a_batch_as_alone() -> None:
    writer, reader = ({"type": "record", "name": "R", "fields": [{"name": "x", "type": t}]} for t in ("long", "float"))
    payload = wire.frame(
        1, body(writer, {"x": 2**60 + 2**36 + 1})
    )  # to 24 bits directly, or by way of 53: not the same
    codec, event_type = Codec(Schemas(writer)), EventType("t", reader)
    alone = codec.decode_batch([payload], event_type).frame["x"].item()
    assert set(codec.decode_batch([payload] * 40, event_type).frame["x"]) == {alone}


def test_while_the_registry_is_away_nothing_is_called_bad() -> None:
    source = Schemas(CLICK)
    source.away = True
    with pytest.raises(RegistryUnavailable):
        Codec(source).decode_batch([wire.frame(1, b"")], EventType("clicks", CLICK))


def test_an_unknown_id_is_not_asked_for_again_and_again() -> None:
    source = Schemas()
    codec = Codec(source)
    for _ in range(10):
        codec.decode_batch([wire.frame(9, b"x")], EventType("clicks", CLICK))
    assert source.asked == 1


ARRAY = {"type": "array", "items": "null"}
NULLS = {"type": "record", "name": "W", "fields": [{"name": f"n{place}", "type": "null"} for place in range(1_000)]}


def nested(depth: int) -> Any:
    """A record in a record, so deep, with a number of one byte inside."""
    inner: Any = "int"
    for place in range(depth):
        inner = {"type": "record", "name": f"D{place}", "fields": [{"name": "x", "type": inner}]}
    return inner


def long(number: int) -> bytes:
    number = (number << 1) ^ (number >> 63)
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        (ARRAY, long(10_000_000) + b"\x00"),
        ({"type": "map", "values": "null"}, long(1 << 40) + b"\x00"),
        ({"type": "array", "items": {"type": "record", "name": "Z", "fields": []}}, long(1 << 60)),
        ({"type": "array", "items": NULLS}, long(500) + b"\x00"),
        ({"type": "array", "items": nested(60)}, long(2_000) + b"\x02" * 2_000 + b"\x00"),
        ({"type": "array", "items": {"type": "fixed", "name": "F", "size": 0}}, long(1 << 40)),
        ({"type": "array", "items": "string"}, long(-(1 << 62)) + long(1 << 60) + b"\x00"),
        ("bytes", long(1 << 40)),
        ("string", long(-1)),
        ("string", b"\x80" * 9 + b"\x40"),
        ("int", long(1 << 40)),
        ("int", bytes.fromhex("ebb3a6a01c")),  # cut to 32 bits it is a number of five bytes too
        ("long", b"\xff" * 9 + b"\x7f"),  # cut to 64 bits it is a number of ten bytes too
        ("long", b"\xff" * 11),
        (["null", "long"], b"\x01"),
        ({"type": "enum", "name": "E", "symbols": ["A"]}, b"\x01"),
        (
            {"type": "record", "name": "L", "fields": [{"name": "next", "type": ["null", "L"]}]},
            b"\x02" * 5_000 + b"\x00",
        ),
        ({"type": "int", "logicalType": "date"}, long(2**31 - 1)),
        ({"type": "long", "logicalType": "timestamp-millis"}, long(2**62)),
    ],
    ids=lambda value: str(value)[:60],
)
def test_hostile_bytes_end_in_a_controlled_error(kind: Any, payload: bytes) -> None:
    schema = {"type": "record", "name": "R", "fields": [{"name": "x", "type": kind}]}
    with pytest.raises(MalformedEvent):
        datum_reader(schema, schema).read(payload)
    if columnar.allows(schema):
        with pytest.raises(columnar.NotColumnar):
            columnar.decode([payload], schema)


def test_large_events_take_memory_one_after_the_other_not_together(monkeypatch: pytest.MonkeyPatch) -> None:
    item = {"type": "record", "name": "I", "fields": [{"name": "a", "type": "int"}]}
    schema = {"type": "record", "name": "R", "fields": [{"name": "x", "type": {"type": "array", "items": item}}]}
    payload = wire.frame(1, long(5_000) + b"\x02" * 5_000 + b"\x00")
    monkeypatch.setattr("schemas.codec.SLICE", len(payload))

    def peak(events: int) -> int:
        codec, reader = Codec(Schemas(schema)), EventType("t", schema)
        tracemalloc.start()
        found = codec.decode_batch([payload] * events, reader)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert (found.frame.height, found.bad) == (events, ())
        return most

    assert peak(12) < 2 * peak(2)


def test_a_naive_time_or_a_wrong_type_cannot_be_sent() -> None:
    event_type = EventType("t", {"type": "record", "name": "R", "fields": [{"name": "x", "type": MILLIS}]})
    with pytest.raises(MalformedEvent, match="no time zone"):
        Codec(Schemas()).encode(1, event_type, {"x": datetime(2026, 1, 1)})
    with pytest.raises(MalformedEvent, match="clicks: the value does not fit"):
        Codec(Schemas()).encode(1, EventType("clicks", CLICK), {"user": "u", "n": "one"})


@pytest.mark.parametrize("value", [2**40, -(2**31) - 1])
def test_an_integer_too_long_for_its_field_cannot_be_sent(value: int) -> None:
    line = {"type": "record", "name": "Line", "fields": [{"name": "n", "type": "int"}]}
    for kind, sent, place in (
        ("int", value, "x"),
        (["null", "int"], value, "x"),
        (line, {"n": value}, "x.n"),
        ({"type": "array", "items": line}, [{"n": 1}, {"n": value}], "x[].n"),
        ({"type": "map", "values": "int"}, {"a": value}, "x{}"),
    ):
        event_type = EventType("t", {"type": "record", "name": "R", "fields": [{"name": "x", "type": kind}]})
        with pytest.raises(MalformedEvent, match="must fit into 32 bits") as refused:
            Codec(Schemas()).encode(1, event_type, {"x": sent})
        assert refused.value.field == place


def test_a_wrong_value_deep_in_a_record_that_contains_itself_cannot_be_sent() -> None:
    fields = [{"name": "n", "type": "int"}, {"name": "next", "type": ["null", "L"]}]
    writer = datum_writer({"type": "record", "name": "L", "fields": fields})
    assert writer.write({"n": 1, "next": {"n": 2, "next": None}}, "list")
    with pytest.raises(MalformedEvent, match="32 bits"):
        writer.write({"n": 1, "next": {"n": 2, "next": {"n": 2**31, "next": None}}}, "list")


def test_a_naive_time_inside_a_list_cannot_be_sent() -> None:
    kind = {"type": "array", "items": MILLIS}
    event_type = EventType("t", {"type": "record", "name": "R", "fields": [{"name": "x", "type": kind}]})
    with pytest.raises(MalformedEvent, match="no time zone"):
        Codec(Schemas()).encode(1, event_type, {"x": [datetime(2026, 1, 1)]})


def test_a_decimal_longer_than_a_column_names_its_field() -> None:
    price = {"type": "bytes", "logicalType": "decimal", "precision": 39}
    event_type = EventType("prices", {"type": "record", "name": "P", "fields": [{"name": "price", "type": price}]})
    with pytest.raises(SchemaError, match="price is a decimal of 39 digits"):
        _ = event_type.frame_schema


def test_a_frame_has_typed_columns_also_when_it_is_empty() -> None:
    decoded = Codec(Schemas(CLICK)).decode_batch([], EventType("clicks", CLICK))
    assert decoded.frame.schema == pl.Schema({"user": pl.String, "n": pl.Int64})


def test_the_header_is_big_endian() -> None:
    assert wire.frame(258, b"x") == struct.pack(">bI", 0, 258) + b"x"
    assert wire.schema_id_of(wire.frame(258, b"x")) == 258


def test_values_survive_the_round_trip() -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
    schema = {
        "type": "record",
        "name": "R",
        "fields": [{"name": "at", "type": MILLIS}, {"name": "d", "type": {"type": "int", "logicalType": "date"}}],
    }
    event_type = EventType("t", schema)
    codec = Codec(Schemas(schema))
    payload = codec.encode(1, event_type, {"at": at, "d": date(2026, 1, 2)})
    assert codec.decode(payload, event_type) == {"at": at, "d": date(2026, 1, 2)}


def test_a_value_that_no_column_holds_is_refused_alone() -> None:
    price = {"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2}
    schema = {"type": "record", "name": "P", "fields": [{"name": "price", "type": price}]}
    good, bad = b"\x02\x7b", b"\x06abc"  # 1.23, and a number of seven digits
    payloads: list[bytes | None] = [wire.frame(1, bad if place in (3, 17) else good) for place in range(40)]
    decoded = Codec(Schemas(schema)).decode_batch(payloads, EventType("prices", schema))
    assert [item.index for item in decoded.bad] == [3, 17]
    assert decoded.frame.height == 38


def test_a_reader_that_shares_no_field_with_the_writer_gets_its_defaults_for_every_event() -> None:
    other = {"type": "record", "name": "Click", "fields": [{"name": "other", "type": "long", "default": 7}]}
    payloads: list[bytes | None] = [wire.frame(1, body(CLICK, {"user": "u", "n": n})) for n in range(40)]
    decoded = Codec(Schemas(CLICK)).decode_batch(payloads, EventType("clicks", other))
    assert decoded.frame["other"].to_list() == [7] * 40


class Registered(Schemas):
    """A source that knows where its schemas are registered."""

    subjects: tuple[str, ...] = ("clicks-value",)

    def subjects_of(self, schema_id: int) -> list[str]:
        return list(self.subjects)


RENAMED = {**CLICK, "fields": [CLICK["fields"][0], {"name": "count", "type": "long"}]}


@pytest.mark.parametrize("events", [1, 40])
@pytest.mark.parametrize("subject", ["clicks-value", "Click", "clicks-Click"])
def test_events_of_the_topic_that_the_reader_cannot_read_are_told_from_bad_ones(subject: str, events: int) -> None:
    source = Registered(CLICK, RENAMED)
    source.subjects = ("other-value", subject)
    new, old = body(RENAMED, {"user": "u", "count": 1}), body(CLICK, {"user": "u", "n": 1})
    payloads: list[bytes | None] = [wire.frame(1, old), b"junk", wire.frame(2, b"\xff"), *[wire.frame(2, new)] * events]
    decoded = Codec(source).decode_batch(payloads, EventType("clicks", CLICK))
    assert [(bad.index, bad.unreadable) for bad in decoded.bad] == [
        (1, False),
        (2, False),
        *((place, True) for place in range(3, 3 + events)),
    ]
    assert decoded.bad[2].reason == (
        "It was written with schema 2, which the reader's cannot read: field n is not written and has no default."
    )
    assert decoded.bad[2].error == "UnreadableEvent"
    assert decoded.good.tolist() == [0]


def test_events_of_another_topic_are_only_bad() -> None:
    source = Registered(CLICK, RENAMED)
    source.subjects = ("views-value",)
    payload = wire.frame(2, body(RENAMED, {"user": "u", "count": 1}))
    [bad] = Codec(source).decode_batch([payload], EventType("clicks", CLICK)).bad
    assert (bad.error, bad.unreadable) == ("UnreadableEvent", False)
