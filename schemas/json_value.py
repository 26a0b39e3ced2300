"""JSON values as values that Avro writes, checked against a type: events from the intake, and fields' defaults."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from schemas.avro import Node
from schemas.errors import MalformedEvent

_INTEGERS = {"int": 1 << 31, "long": 1 << 63}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS: dict[tuple[str, str | None], str] = {
    ("int", "date"): "days",
    ("long", "timestamp-millis"): "milliseconds",
    ("long", "timestamp-micros"): "microseconds",
    ("long", "local-timestamp-millis"): "milliseconds",
    ("long", "local-timestamp-micros"): "microseconds",
}
_MOMENTS = {("long", "timestamp-millis"), ("long", "timestamp-micros")}
_A_DAY: dict[tuple[str, str | None], int] = {
    ("int", "time-millis"): 86_400_000,
    ("long", "time-micros"): 86_400_000_000,
}


def read_json(value: Any, node: Node, place: str) -> Any:
    """A JSON value as Avro writes this type; left-out fields of records take their defaults, or null.

    Args:
        place: named in errors; empty for the whole event.

    Raises:
        MalformedEvent: it does not fit; the message and `field` name the place.
    """
    if node.kind == "union":
        return _union(value, node, place)
    if (node.kind, node.logical) in _MOMENTS:
        return _moment(value, node, place)
    return _READERS[node.kind](value, node, place)


def kind_of(value: Any) -> str:
    """What a JSON value is, in words."""
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def _record(value: Any, node: Node, place: str) -> dict[str, Any]:
    _expect(isinstance(value, Mapping), value, "an object", place)
    known = {field.name for field in node.fields}
    for name in value:
        if name not in known:
            raise _wrong(_inside(place, name), f"is unknown; there are {', '.join(sorted(known))}.")
    found = {}
    for field in node.fields:
        inside = _inside(place, field.name)
        if field.name in value:
            found[field.name] = read_json(value[field.name], field.type, inside)
        elif field.has_default:
            found[field.name] = read_json(field.default, field.type, inside)
        elif any(branch.kind == "null" for branch in field.type.branches):
            found[field.name] = None
        else:
            raise _wrong(inside, "is missing.")
    return found


def _union(value: Any, node: Node, place: str) -> Any:
    if value is None and any(branch.kind == "null" for branch in node.branches):
        return None
    first: MalformedEvent | None = None
    for branch in node.branches:
        if branch.kind == "null":
            continue
        try:
            return read_json(value, branch, place)
        except MalformedEvent as error:
            first = first or error
    raise first or _wrong(place, "must be null.")


def _integer(value: Any, node: Node, place: str) -> Any:
    kind = node.kind, node.logical
    if kind == ("int", "date") and isinstance(value, str):
        return _iso(date.fromisoformat, value, "a date such as 2026-01-31", place)
    _expect(isinstance(value, int) and not isinstance(value, bool), value, "an integer", place)
    limit = _INTEGERS[node.kind]
    if not -limit <= value < limit:
        raise _wrong(place, f"must fit into {limit.bit_length()} bits; {value} does not.")
    if kind in _UNITS:
        _since_1970(value, node, place)
    elif kind in _A_DAY and not 0 <= value < _A_DAY[kind]:
        raise _wrong(place, f"must be a time of day, from 0 to {_A_DAY[kind] - 1}; {value} is none.")
    return value


def _moment(value: Any, node: Node, place: str) -> datetime:
    if not isinstance(value, str):
        return _since_1970(_integer(value, node, place), node, place)
    found: datetime = _iso(datetime.fromisoformat, value, "a time such as 2026-01-31T12:00:00Z", place)
    if found.tzinfo is None:
        raise _wrong(place, "needs a time zone, as in 2026-01-31T12:00:00Z.")
    try:
        return found.astimezone(UTC)
    except OverflowError:
        raise _wrong(place, f"holds {value}, in UTC no time between the years 1 and 9999.") from None


def _since_1970(number: int, node: Node, place: str) -> datetime:
    try:
        return _EPOCH + timedelta(**{_UNITS[node.kind, node.logical]: number})
    except OverflowError:
        raise _wrong(place, f"holds {number}, no time between the years 1 and 9999.") from None


def _iso(read: Callable[[str], Any], text: str, wanted: str, place: str) -> Any:
    try:
        return read(text)
    except ValueError:
        raise _wrong(place, f"must be {wanted}, not {text[:40]!r}.") from None


def _number(value: Any, node: Node, place: str) -> float:
    _expect(isinstance(value, int | float) and not isinstance(value, bool), value, "a number", place)
    try:
        found = float(value)
    except OverflowError:
        found = math.inf
    if node.kind == "float" and abs(found) > 3.4028235e38:
        found = math.inf
    if math.isinf(found):
        raise _wrong(place, f"is too large for a {node.kind}.")
    return found


def _text(value: Any, node: Node, place: str) -> str:
    _expect(isinstance(value, str), value, "a text", place)
    if node.logical == "uuid":
        _iso(UUID, value, "a UUID", place)
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _wrong(place, "holds half a character (a lone surrogate).") from None
    return str(value)


def _bytes(value: Any, node: Node, place: str) -> bytes:
    _expect(isinstance(value, str), value, "bytes as a text", place)
    try:
        found = bytes(value.encode("latin-1"))
    except UnicodeEncodeError:
        raise _wrong(place, "holds bytes, so its code points end at 255.") from None
    if node.kind == "fixed" and len(found) != node.size:
        raise _wrong(place, f"has {node.size} bytes, not {len(found)}.")
    if node.logical == "decimal":
        digits = int(node.properties["precision"])
        if abs(int.from_bytes(found, "big", signed=True)) >= 10**digits:
            raise _wrong(place, f"is a decimal of at most {digits} digits; these bytes have more.")
    return found


def _boolean(value: Any, node: Node, place: str) -> bool:
    _expect(isinstance(value, bool), value, "true or false", place)
    return bool(value)


def _enum(value: Any, node: Node, place: str) -> str:
    if value not in node.symbols:
        raise _wrong(place, f"must be one of {', '.join(node.symbols)}, not {json.dumps(value)[:40]}.")
    return str(value)


def _null(value: Any, node: Node, place: str) -> None:
    _expect(value is None, value, "null", place)


def _array(value: Any, node: Node, place: str) -> list[Any]:
    _expect(isinstance(value, list), value, "a list", place)
    assert node.items is not None
    return [read_json(item, node.items, f"{place}[{number}]") for number, item in enumerate(value)]


def _map(value: Any, node: Node, place: str) -> dict[str, Any]:
    _expect(isinstance(value, dict), value, "an object", place)
    assert node.items is not None
    return {key: read_json(item, node.items, _inside(place, key)) for key, item in value.items()}


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
        raise _wrong(place, f"must be {wanted}, not {kind_of(value)}.")


def _wrong(place: str, what: str) -> MalformedEvent:
    return MalformedEvent(f"Field {place or 'of the event'} {what}", field=place or None)


def _inside(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name
