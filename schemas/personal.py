"""Which fields of an event are about a person, and how the archive keeps them."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin

from schemas.errors import SchemaError

if TYPE_CHECKING:
    from schemas.avro import Node

PII, SUBJECT = "millrace.pii", "millrace.subject"
"""The property of a field, and that of an event type."""
PERSONAL, HASH = "personal", "hash"


class Personal(str):
    """What a field is marked with: `user: Annotated[str, mr.hashed]`."""

    __slots__ = ()


personal = Personal(PERSONAL)
"""About a person: an erasure finds its events. Kept in the archive as it is."""
hashed = Personal(HASH)
"""The same, and the archive keeps a pseudonym in its place."""


def mark_of(annotation: Any) -> str | None:
    """With what an annotation marks its field, `X | None` too; None = with nothing."""
    origin = get_origin(annotation)
    if origin is Annotated:
        found = next((str(item) for item in annotation.__metadata__ if isinstance(item, Personal)), None)
        return found or mark_of(annotation.__origin__)
    if origin in (Union, types.UnionType):
        return next((mark for item in get_args(annotation) if (mark := mark_of(item)) is not None), None)
    return None


def marks(schema: Mapping[str, Any]) -> dict[str, str]:
    """The marked fields of an event, each with its mark."""
    return {str(field["name"]): field[PII] for field in schema["fields"] if PII in field}


def check(topic: str, schema: Mapping[str, Any], shape: Node) -> None:
    """Raise SchemaError for marks that could not be kept."""
    found = marks(schema)
    kinds = {field.name: field.type for field in shape.fields}
    for name, mark in found.items():
        if mark not in (PERSONAL, HASH):
            raise SchemaError(f"{topic}.{name} has {PII} {mark!r}; it is {PERSONAL!r} or {HASH!r}.")
        kind = kinds[name].optional or kinds[name]
        if mark == HASH and (kind.kind != "string" or kind.logical is not None):
            raise SchemaError(f"{topic}.{name} has {PII} {HASH!r}, so it must be a string, which may be null.")
    if sum(1 for _ in _marked(schema["fields"])) != len(found):
        raise SchemaError(
            f"{topic} has {PII} inside of a field, where it is not kept; mark fields of the event itself."
        )
    subject = schema.get(SUBJECT)
    if subject is not None and subject not in kinds:
        raise SchemaError(f"{topic} has no field {subject!r} to be its subject; it has {', '.join(kinds)}.")


def _marked(value: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, dict):
        if PII in value:
            yield value
        for name, member in value.items():
            if name != "default":
                yield from _marked(member)
    elif isinstance(value, list):
        for member in value:
            yield from _marked(member)
