"""JSON becomes an event that can be encoded, or the wrong field is named."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import EventType, MalformedEvent, parse_json
from schemas.datum import write

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
    assert write(ORDER.parsed, value, "orders")
