"""What fastavro would write although no reader takes it back as it was: integers too long for an Avro `int`, and times
without a time zone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from numbers import Integral
from typing import Any

from schemas.avro import Node
from schemas.errors import MalformedEvent

Check = Callable[[Any], None]
"""Raises MalformedEvent, which names the field. Values of another type pass: the encoder refuses them."""

_INT = 1 << 31
_MOMENTS = ("timestamp-millis", "timestamp-micros")


def writable(node: Node) -> Check | None:
    """The check for values of a type; None where it has nothing to look at."""
    return _check(node, "", {})


def _check(node: Node, place: str, made: dict[Node, Check | None]) -> Check | None:
    if node.kind == "int":
        return _fits(place)
    if node.kind == "long" and node.logical in _MOMENTS:
        return _has_zone(place)
    if node.kind == "union":
        if node.optional is not None:
            return _check(node.optional, place, made)
        return _has_zone(place) if any(branch.logical in _MOMENTS for branch in node.branches) else None
    if node.kind == "record":
        return _record(node, place, made)
    if node.items is None:
        return None
    each = _check(node.items, f"{place}{'[]' if node.kind == 'array' else '{}'}", made)
    return None if each is None else _members(each)


def _record(node: Node, place: str, made: dict[Node, Check | None]) -> Check | None:
    if node in made:  # it contains itself: what is made for it is known when a value comes
        return lambda value: None if (check := made[node]) is None else check(value)
    made[node] = None
    checks = [
        (field.name, check)
        for field in node.fields
        if (check := _check(field.type, f"{place}.{field.name}" if place else field.name, made)) is not None
    ]

    def fields(value: Any) -> None:
        if isinstance(value, Mapping):
            for name, check in checks:
                check(value.get(name))

    made[node] = fields if checks else None
    return made[node]


def _members(each: Check) -> Check:
    def members(value: Any) -> None:
        for item in value.values() if isinstance(value, Mapping) else value or ():
            each(item)

    return members


def _fits(place: str) -> Check:
    def fits(value: Any) -> None:
        if isinstance(value, Integral) and not -_INT <= int(value) < _INT:
            raise MalformedEvent(f"field {place} must fit into 32 bits; {value} does not.", field=place)

    return fits


def _has_zone(place: str) -> Check:
    def has_zone(value: Any) -> None:
        if isinstance(value, datetime) and value.tzinfo is None:
            raise MalformedEvent(f"the time in {place!r} has no time zone; use datetime.now(UTC).", field=place)

    return has_zone
