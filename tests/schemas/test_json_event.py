"""JSON becomes an event that can be encoded, or the wrong field is named."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import Codec, EventType, MalformedEvent, parse_json
from schemas.avro import Schema
from schemas.json_reader import NotSo
from schemas.json_value import read_json

SCHEMA = {
    "type": "record",
    "name": "Order",
    "fields": [
        {"name": "user", "type": "string"},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "day", "type": ["null", {"type": "int", "logicalType": "date"}]},
        {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["A", "B"]}, "default": "A"},
        {
            "name": "lines",
            "type": {
                "type": "array",
                "items": {
                    "type": "record",
                    "name": "Line",
                    "fields": [{"name": "item", "type": "string"}, {"name": "n", "type": "int"}],
                },
            },
        },
        {"name": "marks", "type": {"type": "map", "values": "double"}, "default": {}},
        {"name": "raw", "type": ["null", "bytes"], "default": None},
        {"name": "gift", "type": "boolean", "default": False},
    ],
}
ORDER = EventType("orders", SCHEMA, "user")
GOOD: dict[str, Any] = {"user": "u", "at": "2026-01-02T03:04:05+00:00", "lines": [{"item": "i", "n": 2}]}


def parsed(**changes: Any) -> dict[str, Any]:
    return parse_json(ORDER, json.dumps(GOOD | changes).encode())


def test_left_out_fields_take_their_defaults() -> None:
    assert parsed() == {
        "user": "u",
        "at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        "day": None,
        "kind": "A",
        "lines": [{"item": "i", "n": 2}],
        "marks": {},
        "raw": None,
        "gift": False,
    }


def test_times_may_be_numbers_and_bytes_are_text() -> None:
    found = parsed(at=1_000, day="2026-01-31", raw="\u00ff\x00")
    assert found["at"] == datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)
    assert (found["day"], found["raw"]) == (date(2026, 1, 31), b"\xff\x00")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"user": 7}, "Field user must be a text, not a number"),
        ({"at": "yesterday"}, "Field at must be a time"),
        ({"at": "2026-01-02T03:04:05"}, "Field at needs a time zone"),
        ({"at": True}, "Field at must be an integer, not true or false"),
        ({"at": 10**17}, "no time between the years"),
        ({"at": None}, "Field at must be"),
        ({"day": "2026-13-01"}, "Field day must be a date"),
        ({"kind": "C"}, 'Field kind must be one of A, B, not "C"'),
        ({"kind": []}, "Field kind must be one of A, B"),
        ({"lines": {}}, "Field lines must be a list, not an object"),
        ({"lines": [{"item": "i", "n": 2}, {"item": "i"}]}, r"Field lines\[1\]\.n is missing"),
        ({"lines": [{"item": "i", "n": 2**31}]}, r"Field lines\[0\]\.n must fit into 32 bits"),
        ({"lines": [{"item": "i", "n": 1.0}]}, r"Field lines\[0\]\.n must be an integer"),
        ({"marks": {"a": "x"}}, r"Field marks\.a must be a number"),
        ({"marks": {"a": 10**400}}, r"Field marks\.a is too large|not JSON"),
        ({"raw": "\u0100"}, "code points end at 255"),
        ({"gift": 1}, "Field gift must be true or false"),
        ({"wrong": 1}, "Field wrong is unknown"),
    ],
)
def test_a_wrong_field_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(MalformedEvent, match=message):
        parsed(**changes)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"user": 7}, "user"),
        ({"at": "2026-01-02T03:04:05"}, "at"),
        ({"kind": "C"}, "kind"),
        ({"lines": [{"item": "i", "n": 2}, {"item": "i"}]}, "lines[1].n"),
        ({"lines": [{"item": "i", "n": 2, "more": 1}]}, "lines[0].more"),
        ({"marks": {"a": "x"}}, "marks.a"),
        ({"wrong": 1}, "wrong"),
    ],
)
def test_a_refusal_carries_the_place_of_the_wrong_value(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(MalformedEvent) as refused:
        parsed(**changes)
    assert refused.value.field == field


def test_a_refusal_of_the_whole_event_carries_no_field() -> None:
    with pytest.raises(MalformedEvent) as refused:
        parse_json(ORDER, b"[]")
    assert refused.value.field is None


def logical(kind: str, logical_type: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "logicalType": logical_type, **more}


LOGICAL: dict[str, Any] = {
    "money": logical("bytes", "decimal", precision=4, scale=2),
    "share": logical("fixed", "decimal", precision=4, name="Share", size=3),
    "odd": logical("bytes", "decimal"),
    "day": logical("int", "date"),
    "millis": logical("int", "time-millis"),
    "micros": logical("long", "time-micros"),
    "at": logical("long", "timestamp-micros"),
    "local": logical("long", "local-timestamp-millis"),
    "uuid": logical("string", "uuid"),
    "number": logical("fixed", "uuid", name="Number", size=16),
    "wrong": logical("long", "date"),
    "int": "int",
    "float": "float",
}
MIXED = EventType(
    "mixed",
    {
        "type": "record",
        "name": "Mixed",
        "fields": [{"name": name, "type": ["null", kind], "default": None} for name, kind in LOGICAL.items()],
    },
)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("money", "abc"),
        ("money", "\u0000\u0027\u0010"),  # 10,000
        ("share", "abc"),
        ("day", 2**31 - 1),
        ("day", -719_163),
        ("millis", 86_400_000),
        ("millis", -1),
        ("micros", 86_400_000_000),
        ("local", 2**62),
        ("at", "0001-01-01T00:00:00+05:00"),
        ("at", "9999-12-31T23:59:59-05:00"),
    ],
)
def test_a_value_outside_its_logical_type_is_refused(field: str, value: object) -> None:
    with pytest.raises(MalformedEvent) as refused:
        parse_json(MIXED, json.dumps({field: value}).encode())
    assert refused.value.field == field


EDGES = [0, 9_999, 86_400_000, 86_400_000_000, 719_163, 2_932_896, 253_402_300_800_000, 62_135_596_800_000_000]
NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.sampled_from(EDGES).flatmap(
    lambda edge: st.sampled_from([edge - 1, edge, edge + 1, -edge - 1, -edge, -edge + 1])
)
TEXTS = st.uuids().map(str) | st.binary(max_size=16).map(lambda raw: raw.decode("latin-1")) | st.datetimes().map(str)


class OneSchema:
    def schema(self, schema_id: int) -> Schema:
        return MIXED.schema


@settings(max_examples=300)
@given(st.dictionaries(st.sampled_from(sorted(LOGICAL)), NUMBERS | TEXTS, max_size=3))
def test_what_is_accepted_can_be_decoded_into_a_frame(values: dict[str, Any]) -> None:
    try:
        event = parse_json(MIXED, json.dumps(values).encode())
    except MalformedEvent:
        return
    codec = Codec(OneSchema())
    assert codec.decode_batch([codec.encode(1, MIXED, event)], MIXED).bad == ()


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"1", b"null", b"\xff", b"[" * 100_000, b'{"user":NaN}'])
def test_what_is_no_object_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedEvent):
        parse_json(ORDER, data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*GOOD, "x"]), inner, max_size=4),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([field["name"] for field in SCHEMA["fields"]]), JSON))  # type: ignore[index]
def test_what_is_accepted_can_be_encoded(changes: dict[str, Any]) -> None:
    try:
        value = parse_json(ORDER, json.dumps(GOOD | changes).encode())
    except MalformedEvent:
        return
    assert ORDER.writer.write(value, "orders")


PLAIN = EventType(
    "plain",
    {
        "type": "record",
        "name": "Plain",
        "fields": [
            {"name": "user", "type": "string"},
            {"name": "at", "type": ["null", {"type": "long", "logicalType": "timestamp-micros"}]},
            {"name": "n", "type": "int", "default": 7},
            {"name": "big", "type": ["long", "null"], "default": 1},
            {"name": "rate", "type": "double", "default": 1},
            {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["A", "B"]}, "default": "A"},
            {"name": "tags", "type": ["null", {"type": "array", "items": "string"}], "default": None},
            {"name": "gift", "type": "boolean", "default": False},
        ],
    },
    "user",
)
TIMES = st.datetimes().map(lambda at: f"{at.isoformat()}Z") | st.sampled_from(
    ["2026-01-02 03:04:05+02", "0001-01-01T00:00:00+14:00", "2026-01-02T03:04:05", "2026-W01-1T00:00:00.1234567Z"]
)
ODD = st.sampled_from(['"\\ud800"', "1.0", "1e400", "-0", "true", '"A"', '"C"', str(2**63), str(-(2**31)), str(2**70)])
FIELDS = st.sampled_from([*(field["name"] for field in PLAIN.schema["fields"]), "x"])
PAIRS = st.lists(st.tuples(FIELDS, JSON.map(json.dumps) | TIMES.map(json.dumps) | ODD), max_size=6)


@settings(max_examples=300)
@given(PAIRS)
def test_a_plain_event_is_read_in_one_step_to_the_same_value_or_by_the_other_way(pairs: list[tuple[str, str]]) -> None:
    data = ("{" + ", ".join(f'"{name}": {value}' for name, value in [("user", '"u"'), *pairs]) + "}").encode()
    assert PLAIN.json_reader is not None
    try:
        quick = PLAIN.json_reader(data)
    except NotSo:
        return
    slow = read_json(msgspec.json.decode(data), PLAIN.shape, "")
    assert [(name, type(value), value) for name, value in quick.items()] == [
        (name, type(value), value) for name, value in slow.items()
    ]


def test_what_only_the_other_way_knows_is_taken_all_the_same() -> None:
    assert ORDER.json_reader is None
    assert PLAIN.json_reader is not None
    for event in ({"user": "\u00e4"}, {"user": "u", "at": 0}, {"user": "u", "at": "2026-01-02T03:04:05Z"}):
        found = parse_json(PLAIN, json.dumps(event).encode())
        assert (found["user"], found["n"], found["tags"]) == (event["user"], 7, None)
