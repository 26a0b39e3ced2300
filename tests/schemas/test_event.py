"""An annotated class is an event type: schema, key, and events from frames."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, field
from datetime import UTC, date, datetime
from enum import Enum
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import UUID

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from schemas import Codec, Event, EventType, MalformedEvent, Record, SchemaError, decode_record, encode_record, load
from schemas.avro import Schema
from schemas.event_type import registered

AT = datetime(2026, 1, 2, tzinfo=UTC)


class Kind(Enum):
    FILM = 1
    BOOK = 2


class Place(Record):
    name: str
    tags: list[str]


class Seen(Event, topic="seen", key="user"):
    """A user saw something."""

    user: str
    kind: Kind
    at: datetime
    place: Place | None
    marks: dict[str, int]
    number: UUID
    day: date
    share: float = 0.5
    because: list[str] = field(default_factory=list)
    decision: str | None = None


SEEN = Seen("u", Kind.BOOK, AT, Place("here", ["a"]), {"x": 1}, UUID(int=7), AT.date(), 0.25, ["b"], "d")


class OneSchema:
    def schema(self, schema_id: int) -> Schema:
        return Seen.event_type.schema


CODEC = Codec(OneSchema())


def test_the_schema_follows_from_the_annotations() -> None:
    schema = Seen.event_type.schema
    assert (schema["name"], schema["millrace.topic"], schema["millrace.key"]) == ("Seen", "seen", "user")
    fields = {item["name"]: item for item in schema["fields"]}
    assert fields["at"]["type"] == {"type": "long", "logicalType": "timestamp-millis"}
    assert fields["decision"] == {"name": "decision", "type": ["null", "string"], "default": None}
    assert fields["because"]["default"] == []
    assert "default" not in fields["place"]


def test_an_event_survives_bytes_and_frames() -> None:
    event_type = Seen.event_type
    payload = CODEC.encode(1, event_type, SEEN)
    assert Seen.of(CODEC.decode(payload, event_type)) == SEEN
    frame = CODEC.decode_batch([payload] * 40, event_type).frame
    assert list(event_type.events(frame)) == [SEEN] * 40


class Visit(Event, topic="visits"):
    at: datetime
    until: datetime | None


def test_events_have_the_values_of_their_rows_in_order() -> None:
    far = [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999_000, UTC), AT]
    visits = [Visit(far[n % 3], None if n % 2 else far[n % 3]) for n in range(5_000)]
    frame = Visit.event_type.frame(visits)
    found = list(Visit.event_type.events(frame))
    assert found == visits
    assert [event.to_dict() for event in found] == frame.to_dicts()
    assert list(Visit.event_type.events(frame[:0])) == []


class _Slotted:
    __slots__ = ("seen",)


class Stay(Event, _Slotted, topic="stays"):
    nights: int


def test_an_event_may_have_slots_of_its_own() -> None:
    stays = [Stay(nights) for nights in range(10)]
    assert list(Stay.event_type.events(Stay.event_type.frame(stays))) == stays


@pytest.mark.parametrize("name", ["at", "until"])
def test_a_time_that_python_has_no_date_for_is_an_error_at_its_own_event(name: str) -> None:
    frame = Visit.event_type.frame([Visit(AT, None)] * 5_000)
    far = pl.int_range(5_000, eager=True) == 4_990
    beyond = pl.Series([10**15]).cast(frame[name].dtype)
    events = Visit.event_type.events(frame.with_columns(pl.when(far).then(beyond).otherwise(pl.col(name)).alias(name)))
    assert list(islice(events, 4_990)) == [Visit(AT, None)] * 4_990
    with pytest.raises(OverflowError):
        next(events)


def test_events_become_the_frame_that_their_bytes_become() -> None:
    payload = CODEC.encode(1, Seen.event_type, SEEN)
    decoded = CODEC.decode_batch([payload] * 3, Seen.event_type).frame
    assert_frame_equal(Seen.event_type.frame([SEEN] * 3), decoded)
    assert Seen.event_type.frame([]).schema == decoded.schema


@pytest.mark.parametrize("annotation", ["json.Nothing", "Nothing", "UUID | 7", "list[str"])
def test_an_annotation_that_cannot_be_resolved_names_its_class(annotation: str) -> None:
    odd: Any = type("Odd", (Record,), {"__annotations__": {"x": annotation}, "__module__": __name__})
    with pytest.raises(SchemaError, match="Odd has an annotation that cannot be resolved"):
        odd.avro_schema()


def test_a_record_survives_bytes() -> None:
    assert decode_record(Seen, encode_record(Seen, SEEN)) == SEEN
    schema = Place.avro_schema()
    assert decode_record(schema, encode_record(schema, {"name": "x", "tags": []})) == {"name": "x", "tags": []}
    with pytest.raises(MalformedEvent):
        decode_record(Place, b"\x02")


def test_events_are_immutable() -> None:
    with pytest.raises(FrozenInstanceError):
        SEEN.user = "other"  # type: ignore[misc]
    payload = CODEC.encode(1, Seen.event_type, SEEN)
    (event,) = Seen.event_type.events(CODEC.decode_batch([payload], Seen.event_type).frame)
    with pytest.raises(FrozenInstanceError):
        event.user = "other"  # type: ignore[attr-defined]


def test_the_key_is_the_fields_bytes() -> None:
    assert Seen.event_type.key_of({"user": "ü"}) == "ü".encode()
    with pytest.raises(MalformedEvent, match="needs its key field 'user'"):
        Seen.event_type.key_of({})
    numbers = {"type": "record", "name": "N", "fields": [{"name": "n", "type": "long"}]}
    assert EventType("t", numbers, "n").key_of({"n": 12}) == b"12"
    assert EventType("t", numbers).key_of({"n": 12}) is None


@pytest.mark.parametrize(
    ("schema", "key", "message"),
    [
        ({"type": "record", "name": "N", "fields": [{"name": "n", "type": "long"}]}, "m", "no field 'm'"),
        ({"type": "record", "name": "N", "fields": [{"name": "n", "type": "double"}]}, "n", "must be a string"),
        ({"type": "record", "name": "N", "fields": [{"name": "n", "type": ["null", "string"]}]}, "n", "never null"),
        ({"type": "record", "name": "N", "fields": [{"name": "n", "type": "nothing"}]}, None, "no Avro schema"),
        ({"type": "record", "name": "N"}, None, "with fields"),
        ({"type": "enum", "name": "N", "symbols": ["A"]}, None, "type record"),
    ],
)
def test_an_unusable_schema_is_refused_with_its_reason(schema: dict[str, object], key: str, message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        EventType("t", schema, key)


def test_a_type_without_a_place_in_avro_names_its_field() -> None:
    class Odd(Record):
        x: complex

    with pytest.raises(SchemaError, match=r"Odd\.x has the type"):
        Odd.avro_schema()

    class Several(Record):
        x: int | str

    with pytest.raises(SchemaError, match=r"Several\.x may be one of several types"):
        Several.avro_schema()


def test_a_class_without_a_topic_says_so() -> None:
    class Nowhere(Event):
        x: int

    with pytest.raises(SchemaError, match="Nowhere has no topic"):
        _ = Nowhere.event_type


def test_a_field_that_holds_several_types_has_no_column() -> None:
    schema = {"type": "record", "name": "R", "fields": [{"name": "x", "type": ["null", "long", "string"]}]}
    with pytest.raises(SchemaError, match="x may be one of long, string"):
        _ = EventType("t", schema).frame_schema


def test_a_schema_file_names_its_topic_and_key(tmp_path: Path) -> None:
    file = tmp_path / "click.avsc"
    schema = {"type": "record", "name": "Click", "fields": [{"name": "user", "type": "string"}]}
    file.write_text(json.dumps(schema))
    assert (load(file).topic, load(file).key, load(file, "clicks").topic) == ("click", None, "clicks")
    file.write_text(json.dumps({**schema, "millrace.topic": "clicks", "millrace.key": "user"}))
    assert (load(file).topic, load(file).key, load(file).subject) == ("clicks", "user", "clicks-value")
    assert load(file).frame_schema == {"user": pl.String()}
    for text in ("{", "[]", '"string"', '{"type": "record"}'):
        file.write_text(text)
        with pytest.raises(SchemaError, match=r"click\.avsc"):
            load(file)
    with pytest.raises(SchemaError, match="cannot be read"):
        load(tmp_path / "missing.avsc")


def test_what_an_event_gives_away_is_a_copy() -> None:
    place = Place("here", [])
    place.to_dict()["name"] = "elsewhere"
    assert place.name == "here"


def test_values_that_fit_no_field_are_malformed() -> None:
    values = SEEN.to_dict()
    wrongs: list[dict[str, Any]] = [
        {"kind": "NOTHING"},
        {"kind": []},
        {"number": "no uuid"},
        {"number": 7},
        {"place": "here"},
        {"place": {}},
        {"marks": 7},
        {"more": 1},
    ]
    for wrong in wrongs:
        with pytest.raises(MalformedEvent):
            Seen.of({**values, **wrong})


@pytest.mark.parametrize("topic", ["^.*", "", ".", "..", "a b", "clicks\n", "ä", "x" * 250])
def test_a_topic_has_a_name_that_kafka_takes_and_no_client_takes_for_a_pattern(topic: str) -> None:
    schema = {"type": "record", "name": "R", "fields": [{"name": "user", "type": "string"}]}
    with pytest.raises(SchemaError, match="no name of a topic"):
        EventType(topic, schema)
    with pytest.raises(SchemaError, match="no name of a topic"):
        registered("clicks-value", json.dumps({**schema, "millrace.topic": topic or "^"}))
