"""Plain Python classes with an Avro schema: rows of `Records`, and the base of events."""

from __future__ import annotations

import json
import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, fields
from datetime import date, datetime
from enum import Enum
from functools import cache
from typing import Any, Self, TypeVar, Union, dataclass_transform, get_args, get_origin, get_type_hints
from uuid import UUID

from schemas.errors import MalformedEvent, SchemaError
from schemas.personal import PII, mark_of

T = TypeVar("T")

_PRIMITIVES: dict[Any, Any] = {
    str: "string",
    int: "long",
    float: "double",
    bool: "boolean",
    bytes: "bytes",
    datetime: {"type": "long", "logicalType": "timestamp-millis"},
    date: {"type": "int", "logicalType": "date"},
    UUID: {"type": "string", "logicalType": "uuid"},
}


@dataclass_transform(frozen_default=True)
class Record:
    """Base of immutable records: annotate the fields, and the Avro schema follows.

    Fields may be str, int (64 bits), float, bool, bytes, datetime (milliseconds, with a time zone), date, UUID, an
    Enum, another Record, list[X], dict[str, X] or X | None. A field's default is also its default in the schema, which
    is what lets a later version read earlier records.
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        dataclass(frozen=True)(cls)

    @classmethod
    def avro_schema(cls) -> dict[str, Any]:
        """The Avro schema, as JSON values. Names defined once are referred to afterwards.

        Raises:
            SchemaError: a field's type has no place in Avro; names the field.
        """
        return json.loads(_schema_text(cls))  # type: ignore[no-any-return]

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """The record with these values of fields; left-out fields take their defaults.

        Raises:
            MalformedEvent: a field is missing, or there is one too many.
        """
        convert = converters(cls)
        try:
            return cls(**{name: convert[name](value) if name in convert else value for name, value in values.items()})
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            raise MalformedEvent(f"These values are no {cls.__name__}: {error}.") from error

    def to_dict(self) -> dict[str, Any]:
        """The fields as plain values, nested records as dictionaries: what Avro writes."""
        if not converters(type(self)):
            return dict(self.__dict__)
        return {name: _plain(value) for name, value in self.__dict__.items()}


def hints(record: type[Record]) -> dict[str, Any]:
    """The fields' types, resolved.

    Raises:
        SchemaError: an annotation names something that its module does not have.
    """
    try:
        return get_type_hints(record)
    except (NameError, AttributeError, TypeError, SyntaxError) as error:
        raise SchemaError(
            f"{record.__name__} has an annotation that cannot be resolved ({error}); import that name at the top of "
            f"{record.__module__}, not under TYPE_CHECKING or inside a function."
        ) from error


def per_class(make: Callable[[type[Any]], T]) -> Callable[[type[Any]], T]:
    """Makes a function of a class that remembers its result for each. (For the type checker no class is hashable.)"""
    return cache(make)  # type: ignore[return-value]


@per_class
def converters(record: type[Any]) -> Mapping[str, Callable[[Any], Any]]:
    """For each field that Avro holds otherwise than Python: how a decoded value becomes the field's."""
    found = {}
    types_of = hints(record)
    for field in fields(record):
        convert = _converter(types_of[field.name])
        if convert is not None:
            found[field.name] = convert
    return found


@per_class
def _schema_text(record: type[Any]) -> str:
    return json.dumps(_record(record, {}))


def _record(record: type[Record], named: dict[str, type[Any]]) -> dict[str, Any]:
    named[record.__name__] = record
    types_of = hints(record)
    members = [_field(record, field, types_of[field.name], named) for field in fields(record)]  # type: ignore[arg-type]
    marked = get_type_hints(record, include_extras=True)
    for member in members:
        mark = mark_of(marked[member["name"]])
        if mark is not None:
            member[PII] = mark
    return {"type": "record", "name": record.__name__, "fields": members}


def _field(record: type[Record], field: Field[Any], annotation: Any, named: dict[str, type[Any]]) -> dict[str, Any]:
    place = f"{record.__name__}.{field.name}"
    found: dict[str, Any] = {"name": field.name, "type": _type(annotation, place, named)}
    default: Any = MISSING
    if field.default is not MISSING:
        default = field.default
    elif field.default_factory is not MISSING:
        default = field.default_factory()
    if default is not MISSING:
        found["default"] = _json_default(default, place)
        if isinstance(found["type"], list) and default is not None:
            found["type"] = [kind for kind in found["type"] if kind != "null"] + ["null"]
    return found


def _type(annotation: Any, place: str, named: dict[str, type[Any]]) -> Any:
    if annotation in _PRIMITIVES:
        return _PRIMITIVES[annotation]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        others = [item for item in arguments if item is not types.NoneType]
        if len(others) == 1 and len(arguments) == 2:
            return ["null", _type(others[0], place, named)]
        raise SchemaError(f"{place} may be one of several types, {annotation}; only X | None has a column of its own.")
    if origin is list:
        return {"type": "array", "items": _type(arguments[0], place, named)}
    if origin is dict and arguments[0] is str:
        return {"type": "map", "values": _type(arguments[1], place, named)}
    if isinstance(annotation, type) and issubclass(annotation, Record | Enum):
        return _named(annotation, place, named)
    raise SchemaError(
        f"{place} has the type {annotation}, which has no Avro type here; use str, int, float, bool, bytes, datetime, "
        "date, UUID, an Enum, a Record, list[X], dict[str, X] or X | None."
    )


def _named(kind: type[Any], place: str, named: dict[str, type[Any]]) -> Any:
    known = named.get(kind.__name__)
    if known is kind:
        return kind.__name__
    if known is not None:
        raise SchemaError(f"{place}: two types are named {kind.__name__}; rename one of them.")
    if issubclass(kind, Record):
        return _record(kind, named)
    named[kind.__name__] = kind
    return {"type": "enum", "name": kind.__name__, "symbols": [member.name for member in kind]}


def _json_default(value: Any, place: str) -> Any:
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, Record):
        return {name: _json_default(item, place) for name, item in value.to_dict().items()}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list):
        return [_json_default(item, place) for item in value]
    if isinstance(value, dict):
        return {key: _json_default(item, place) for key, item in value.items()}
    raise SchemaError(f"{place} has the default {value!r}, which a schema cannot hold; leave it out or use None.")


def _converter(annotation: Any) -> Callable[[Any], Any] | None:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        present = _converter(next(item for item in arguments if item is not types.NoneType))
        return None if present is None else lambda value: None if value is None else present(value)
    if origin is list:
        each = _converter(arguments[0])
        return None if each is None else lambda value: [each(item) for item in value]
    if origin is dict:
        inner = _converter(arguments[1]) or _itself
        return lambda value: {key: inner(item) for key, item in _pairs(value)}
    if isinstance(annotation, type) and issubclass(annotation, Record):
        return lambda value: value if isinstance(value, annotation) else annotation.of(value)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return lambda value: value if isinstance(value, annotation) else annotation[value]
    if annotation is UUID:
        return lambda value: value if isinstance(value, UUID) else UUID(value)
    return None


def _itself(value: Any) -> Any:
    return value


def _pairs(value: Any) -> Any:
    """A map as decoded from Avro is a dictionary; as a cell of a frame it is a list of key and value."""
    return value.items() if isinstance(value, Mapping) else ((pair["key"], pair["value"]) for pair in value)


def _plain(value: Any) -> Any:
    if isinstance(value, Record):
        return value.to_dict()
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value
