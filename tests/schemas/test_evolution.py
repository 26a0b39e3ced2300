"""Whatever a schema becomes, a batch that is resolved in columns has the values of events that are resolved alone."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import polars as pl
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from schemas import Codec, EventType, MalformedEvent, UnreadableEvent, columnar, wire
from schemas.columns import frame_of
from schemas.datum import DatumReader, datum_reader
from schemas.projection import projection
from tests.schemas.generated import SIMPLE, Evolution, evolutions
from tests.schemas.test_codec import Schemas, body

EVENTS = 24
"""In a batch: enough to be tried in columns."""


def repeated(found: Evolution) -> list[bytes]:
    bodies = [body(found.writer, row) for row in found.rows]
    return (bodies * EVENTS)[:EVENTS]


@settings(max_examples=150)
@given(evolutions())
def test_a_batch_is_read_as_each_of_its_events(found: Evolution) -> None:
    bodies, reader = repeated(found), EventType("t", found.reader)
    alone = datum_reader(found.writer, found.reader)
    singly = frame_of([alone.read(item) for item in bodies], found.reader)
    decoded = Codec(Schemas(found.writer)).decode_batch([wire.frame(1, item) for item in bodies], reader)
    assert decoded.bad == ()
    assert_frame_equal(decoded.frame, singly, check_exact=True)
    project = projection(found.writer, found.reader)
    if project is None or not columnar.allows(found.writer):
        event("record by record")
        return
    event("in columns")
    assert_frame_equal(project(columnar.decode(bodies, found.writer)), singly, check_exact=True)


@settings(max_examples=100)
@given(evolutions(), st.data())
def test_damaged_bytes_cost_no_other_event_and_are_read_in_a_batch_as_alone(
    found: Evolution, data: st.DataObject
) -> None:
    bodies = repeated(found)
    place = data.draw(st.integers(0, EVENTS - 1), "place")
    bodies[place] = damaged(bodies[place], data)
    alone = datum_reader(found.writer, found.reader)
    values: list[Any] = []
    good = list(range(EVENTS))
    for at, item in enumerate(bodies):
        try:
            values += frame_of([alone.read(item)], found.reader).rows()
        except (MalformedEvent, pl.exceptions.PolarsError, TypeError, ValueError, OverflowError):
            assert at == place
            good.remove(place)
    decoded = Codec(Schemas(found.writer)).decode_batch(
        [wire.frame(1, item) for item in bodies], EventType("t", found.reader)
    )
    assert decoded.good.tolist() == good
    assert [bad.index for bad in decoded.bad] == [at for at in range(EVENTS) if at not in good]
    assert str(decoded.frame.rows()) == str(values)  # as text, NaN is equal to itself


def damaged(raw: bytes, data: st.DataObject) -> bytes:
    found = bytearray(raw)
    for _ in range(data.draw(st.integers(1, 3), "times")):
        match data.draw(st.sampled_from(["flip", "cut", "insert", "append"])):
            case "flip" if found:
                found[data.draw(st.integers(0, len(found) - 1))] = data.draw(st.integers(0, 255))
            case "cut":
                del found[data.draw(st.integers(0, len(found))) :]
            case "insert":
                at = data.draw(st.integers(0, len(found)))
                found[at:at] = data.draw(st.binary(min_size=1, max_size=11))
            case _:
                found += data.draw(st.binary(min_size=1, max_size=3))
    return bytes(found)


@settings(max_examples=100)
@given(evolutions(), evolutions())
def test_what_a_reader_of_something_else_cannot_read_is_said_to_be_that(one: Evolution, other: Evolution) -> None:
    """Two schemas that have nothing to do with one another, but the names of their records and fields."""
    bodies = repeated(one)
    reader = EventType("t", other.reader)
    alone = datum_reader(one.writer, reader.schema)
    decoded = Codec(Schemas(one.writer)).decode_batch([wire.frame(1, item) for item in bodies], reader)
    for bad in decoded.bad:
        with pytest.raises(MalformedEvent) as refused:
            alone.read(bodies[bad.index])
        event(refused.typename)
        assert isinstance(refused.value, UnreadableEvent) == bad.unreadable
    singly = frame_of([alone.read(bodies[at]) for at in decoded.good.tolist()], reader.schema)
    assert_frame_equal(decoded.frame, singly, check_exact=True)


def one_field(kind: Any, **more: Any) -> dict[str, Any]:
    return {"type": "record", "name": "Root", "fields": [{"name": "x", "type": kind, **more}]}


DATE, MILLIS, MICROS = SIMPLE["date"].schema, SIMPLE["timestamp-millis"].schema, SIMPLE["timestamp-micros"].schema
AT = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
MS = 1_767_323_045_678


@pytest.mark.parametrize("events", [1, EVENTS])
@pytest.mark.parametrize(
    ("written", "read", "value", "expected"),
    [
        (MILLIS, "long", AT, MS),
        ("long", MILLIS, MS, AT),
        (MILLIS, MICROS, AT, AT),
        (MICROS, MILLIS, AT, AT),
        (DATE, "int", date(1970, 1, 3), 2),
        (DATE, "double", date(1970, 1, 3), 2.0),
        (["null", MILLIS], ["null", "long"], AT, MS),
        ({"type": "array", "items": MILLIS}, {"type": "array", "items": "long"}, [AT], [MS]),
        (SIMPLE["uuid"].schema, "string", UUID(int=7), str(UUID(int=7))),
        ("string", SIMPLE["uuid"].schema, str(UUID(int=7)), str(UUID(int=7))),
        (SIMPLE["time-millis"].schema, SIMPLE["time-micros"].schema, time(1, 2), time(1, 2)),
        (SIMPLE["decimal"].schema, {**SIMPLE["decimal"].schema, "scale": 3}, Decimal("1.25"), Decimal("1.250")),
        (["int", "long"], "long", 7, 7),
        (["null", "string", "long"], ["null", "long"], 7, 7),
    ],
)
def test_a_changed_logical_type_is_read_as_the_readers(
    written: Any, read: Any, value: Any, expected: Any, events: int
) -> None:
    payload = wire.frame(1, body(one_field(written), {"x": value}))
    decoded = Codec(Schemas(one_field(written))).decode_batch([payload] * events, EventType("t", one_field(read)))
    assert decoded.bad == ()
    assert decoded.frame["x"].to_list() == [expected] * events


@pytest.mark.parametrize("events", [1, EVENTS])
@pytest.mark.parametrize(
    ("written", "read", "why"),
    [
        ("int", MILLIS, "int is read as timestamp-millis"),
        (SIMPLE["time-millis"].schema, MICROS, "int is read as timestamp-micros"),
        ("string", SIMPLE["decimal"].schema, "string is read as decimal"),
        ("string", "long", "field x is string, and the reader takes long"),
    ],
)
def test_a_type_that_changes_with_its_logical_type_cannot_be_read(
    written: Any, read: Any, why: str, events: int
) -> None:
    body_of = {"int": b"\x02", "string": b"\x02a"}[written if isinstance(written, str) else "int"]
    codec, reader = Codec(Schemas(one_field(written))), EventType("t", one_field(read))
    decoded = codec.decode_batch([wire.frame(1, body_of)] * events, reader)
    assert [bad.unreadable for bad in decoded.bad] == [True] * events
    assert why in decoded.bad[0].reason


@pytest.mark.parametrize("events", [1, EVENTS])
def test_of_two_written_fields_that_may_be_meant_the_one_of_that_name_is_read_then_the_first_alias(events: int) -> None:
    writer = one_field("int")
    writer["fields"].append({"name": "y", "type": "int"})
    payload = wire.frame(1, b"\x02\x04")
    for name, aliases, expected in (("x", ["y"], 1), ("y", ["x"], 2), ("z", ["x", "y"], 1), ("z", ["a", "y", "x"], 2)):
        reader = {"type": "record", "name": "Root", "fields": [{"name": name, "type": "long", "aliases": aliases}]}
        decoded = Codec(Schemas(writer)).decode_batch([payload] * events, EventType("t", reader))
        assert decoded.frame[name].to_list() == [expected] * events


PLACE = {
    "type": "record",
    "name": "Place",
    "fields": [{"name": "city", "type": "string"}, {"name": "at", "type": DATE}],
}
ZIP = {"name": "zip", "type": ["null", "string"], "default": None}
PLACE_READ = {**PLACE, "fields": [ZIP, {"name": "town", "type": "string", "aliases": ["city"]}]}
PAID = {"type": "enum", "name": "Paid", "symbols": ["CASH", "CARD"]}
PAID_READ = {**PAID, "symbols": ["OTHER", "CARD"], "default": "OTHER"}
HERE, HERE_READ = {"city": "Ulm", "at": date(2026, 1, 1)}, {"zip": None, "town": "Ulm"}


def listed(item: Any) -> dict[str, Any]:
    return {"type": "array", "items": item}


@pytest.mark.parametrize(
    ("written", "read", "value", "expected"),
    [
        ("int", "long", 7, 7),
        ("long", "long", -(2**63), -(2**63)),
        ("long", "double", 2**62, 2.0**62),
        (["null", "float"], ["null", "double"], 0.5, 0.5),
        (PAID, PAID_READ, "CASH", "OTHER"),
        (["null", PAID], ["null", PAID_READ], None, None),
        (PLACE, PLACE_READ, HERE, HERE_READ),
        (PLACE, ["null", PLACE_READ], HERE, HERE_READ),
        (["null", PLACE], ["null", PLACE_READ], None, None),
        (listed(PLACE), listed(PLACE_READ), [HERE, HERE], [HERE_READ] * 2),
        (listed("int"), listed("double"), [1, 2], [1.0, 2.0]),
        (listed(listed(PAID)), listed(listed(PAID_READ)), [["CASH"], []], [["OTHER"], []]),
        (SIMPLE["time-micros"].schema, SIMPLE["time-micros"].schema, time(1, 2), time(1, 2)),
        (SIMPLE["local-millis"].schema, SIMPLE["local-millis"].schema, datetime(2026, 1, 2), datetime(2026, 1, 2)),
        (SIMPLE["uuid"].schema, SIMPLE["uuid"].schema, UUID(int=7), str(UUID(int=7))),
    ],
)
def test_two_writers_in_one_batch_are_resolved_in_columns(
    monkeypatch: pytest.MonkeyPatch, written: Any, read: Any, value: Any, expected: Any
) -> None:
    old = one_field(written)
    new = {**old, "fields": [{"name": "y", "type": "string"}, {"name": "n", "type": "int"}, *old["fields"]]}
    kept = [{"name": "x", "type": read}, {"name": "m", "type": "long", "aliases": ["n"], "default": -1}]
    added = [{"name": "list", "type": listed("int"), "default": []}, {"name": "day", "type": DATE, "default": 2}]
    reader = EventType("t", {**old, "fields": [*kept, *added]})
    first = wire.frame(1, body(old, {"x": value}))
    second = wire.frame(2, body(new, {"x": value, "y": "", "n": 3}))
    monkeypatch.setattr(DatumReader, "read", lambda *_: pytest.fail("an event was read alone"))
    decoded = Codec(Schemas(old, new)).decode_batch([first, second] * EVENTS, reader)
    due = {"x": expected, "list": [], "day": date(1970, 1, 3)}
    assert decoded.frame.to_dicts() == [{**due, "m": -1}, {**due, "m": 3}] * EVENTS


def test_types_that_name_one_another_many_times_are_not_written_out() -> None:
    fields: list[Any] = [{"name": "x", "type": "int"}]
    for number in range(40):
        inner = {"type": "record", "name": f"I{number}", "fields": fields}
        fields = [{"name": "x", "type": inner}, {"name": "y", "type": f"I{number}"}]
    assert not columnar.allows({"type": "record", "name": "Root", "fields": fields})
