"""Events as JSON: what the HTTP intake accepts, checked field by field against the Avro schema."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from schemas.avro import Node, resolved
from schemas.errors import MalformedEvent
from schemas.event_type import EventType

_INTEGERS = {"int": 1 << 31, "long": 1 << 63}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = {"timestamp-millis": "milliseconds", "timestamp-micros": "microseconds"}


def parse_json(event_type: EventType, data: bytes) -> dict[str, Any]:
    """One event from JSON.

    Times are ISO 8601 with a time zone, or integers in the schema's unit since 1970; bytes are text of code points up
    to 255, as in Avro's own JSON; optional fields may be null or left out. Fields that the schema lacks are refused.

    Raises:
        MalformedEvent: it is no JSON or does not fit the schema; the message names the field.
    """
    try:
        value = msgspec.json.decode(data)
    except msgspec.DecodeError as error:
        raise MalformedEvent(f"This is not JSON: {error}.") from error
    except RecursionError:
        raise MalformedEvent("This JSON is nested too deeply.") from None
    if not isinstance(value, dict):
        raise MalformedEvent(f"An event of {event_type.topic} is a JSON object, not {_kind(value)}.")
    return _record(value, resolved(event_type.schema), "")


def _value(value: Any, node: Node, place: str) -> Any:
    if node.kind == "union":
        return _union(value, node, place)
    if node.logical in _UNITS and node.kind == "long":
        return _moment(value, node, place)
    return _READERS[node.kind](value, node, place)


def _record(value: Any, node: Node, place: str) -> dict[str, Any]:
    _expect(isinstance(value, Mapping), value, "an object", place)
    known = {field.name for field in node.fields}
    for name in value:
        if name not in known:
            raise MalformedEvent(f"Field {_inside(place, name)} is unknown; there are {', '.join(sorted(known))}.")
    found = {}
    for field in node.fields:
        inside = _inside(place, field.name)
        if field.name in value:
            found[field.name] = _value(value[field.name], field.type, inside)
        elif field.has_default:
            found[field.name] = _default(field.default, field.type)
        elif any(branch.kind == "null" for branch in field.type.branches):
            found[field.name] = None
        else:
            raise MalformedEvent(f"Field {inside} is missing.")
    return found


def _default(default: Any, node: Node) -> Any:
    """A schema's default as a value: written for the first branch of a union (Avro specification, Complex Types)."""
    if node.kind == "union":
        fitting = [branch for branch in node.branches if (branch.kind == "null") == (default is None)]
        return _default(default, fitting[0]) if fitting else default
    return _value(default, node, "") if default is not None else None


def _union(value: Any, node: Node, place: str) -> Any:
    if value is None and any(branch.kind == "null" for branch in node.branches):
        return None
    first: MalformedEvent | None = None
    for branch in node.branches:
        if branch.kind == "null":
            continue
        try:
            return _value(value, branch, place)
        except MalformedEvent as error:
            first = first or error
    raise first or MalformedEvent(f"Field {place} must be null.")


def _integer(value: Any, node: Node, place: str) -> Any:
    if node.logical == "date" and isinstance(value, str):
        return _iso(date.fromisoformat, value, "a date such as 2026-01-31", place)
    _expect(isinstance(value, int) and not isinstance(value, bool), value, "an integer", place)
    limit = _INTEGERS[node.kind]
    if not -limit <= value < limit:
        raise MalformedEvent(f"Field {place} must fit into {limit.bit_length()} bits; {value} does not.")
    return value


def _moment(value: Any, node: Node, place: str) -> datetime:
    if isinstance(value, str):
        found: datetime = _iso(datetime.fromisoformat, value, "a time such as 2026-01-31T12:00:00Z", place)
        if found.tzinfo is None:
            raise MalformedEvent(f"Field {place} needs a time zone, as in 2026-01-31T12:00:00Z.")
        return found
    number = _integer(value, node, place)
    try:
        return _EPOCH + timedelta(**{_UNITS[node.logical or ""]: number})
    except OverflowError:
        raise MalformedEvent(f"Field {place}: {number} is no time between the years 1 and 9999.") from None


def _iso(read: Callable[[str], Any], text: str, wanted: str, place: str) -> Any:
    try:
        return read(text)
    except ValueError:
        raise MalformedEvent(f"Field {place} must be {wanted}, not {text[:40]!r}.") from None


def _number(value: Any, node: Node, place: str) -> float:
    _expect(isinstance(value, int | float) and not isinstance(value, bool), value, "a number", place)
    try:
        found = float(value)
    except OverflowError:
        found = math.inf
    if node.kind == "float" and abs(found) > 3.4028235e38:
        found = math.inf
    if math.isinf(found):
        raise MalformedEvent(f"Field {place} is too large for a {node.kind}.")
    return found


def _text(value: Any, node: Node, place: str) -> str:
    _expect(isinstance(value, str), value, "a text", place)
    if node.logical == "uuid":
        _iso(UUID, value, "a UUID", place)
    try:
        value.encode()
    except UnicodeEncodeError:
        raise MalformedEvent(f"Field {place} holds half a character (a lone surrogate).") from None
    return str(value)


def _bytes(value: Any, node: Node, place: str) -> bytes:
    _expect(isinstance(value, str), value, "bytes as a text", place)
    try:
        found = value.encode("latin-1")
    except UnicodeEncodeError:
        raise MalformedEvent(f"Field {place} holds bytes, so its code points end at 255.") from None
    if node.kind == "fixed" and len(found) != node.size:
        raise MalformedEvent(f"Field {place} has {node.size} bytes, not {len(found)}.")
    return bytes(found)


def _boolean(value: Any, node: Node, place: str) -> bool:
    _expect(isinstance(value, bool), value, "true or false", place)
    return bool(value)


def _enum(value: Any, node: Node, place: str) -> str:
    if value not in node.symbols:
        raise MalformedEvent(f"Field {place} must be one of {', '.join(node.symbols)}, not {json.dumps(value)[:40]}.")
    return str(value)


def _null(value: Any, node: Node, place: str) -> None:
    _expect(value is None, value, "null", place)


def _array(value: Any, node: Node, place: str) -> list[Any]:
    _expect(isinstance(value, list), value, "a list", place)
    assert node.items is not None
    return [_value(item, node.items, f"{place}[{number}]") for number, item in enumerate(value)]


def _map(value: Any, node: Node, place: str) -> dict[str, Any]:
    _expect(isinstance(value, dict), value, "an object", place)
    assert node.items is not None
    return {key: _value(item, node.items, _inside(place, key)) for key, item in value.items()}


_READERS: dict[str, Callable[[Any, Node, str], Any]] = {
    "record": _record,
    "int": _integer,
    "long": _integer,
    "float": _number,
    "double": _number,
    "string": _text,
    "bytes": _bytes,
    "fixed": _bytes,
    "boolean": _boolean,
    "enum": _enum,
    "null": _null,
    "array": _array,
    "map": _map,
}


def _expect(holds: bool, value: Any, wanted: str, place: str) -> None:
    if not holds:
        raise MalformedEvent(f"Field {place or 'of the event'} must be {wanted}, not {_kind(value)}.")


def _inside(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
