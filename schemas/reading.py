"""Schemas for fastavro to read with: full names that it mistakes for no type's, and defaults as values, not as JSON."""

from __future__ import annotations

import io
from typing import Any, NoReturn

import fastavro

from schemas.avro import Field, Node, Schema, parse, resolved
from schemas.errors import MalformedEvent
from schemas.json_value import read_json

NOWHERE = "-"
"""Stands for the missing namespace, so that every name has a dot: no namespace in a schema is called so."""
_KEPT = ("aliases", "default", "precision", "scale", "size", "symbols")


def reading(schema: Schema, reader: Schema | None = None) -> Any:
    """The schema as fastavro wants it for reading, as a writer's and as a reader's.

    A default that is no value of its field's type counts as none.

    Args:
        reader: the schema that its values are resolved to. fastavro goes by the logical types of the writer, and Avro's
            resolution by those of the reader: then the writer's are put down as the reader wants them.

    Raises:
        SchemaError: one of them is no Avro schema.
    """
    written = _Written()
    named: dict[str, Any] = {}
    found = parse(written.schema(resolved(schema), None if reader is None else resolved(reader)), named)
    for name, node in written.named.items():
        for field, property in zip(node.fields, named[name].get("fields", ()), strict=True):
            if field.has_default:
                try:
                    property["default"] = default_of(field)
                except MalformedEvent:
                    continue
    return found


def default_of(field: Field) -> Any:
    """A field's default, as the decoder gives values.

    Raises:
        MalformedEvent: it is no value of the field's type.
    """
    try:
        value = read_json(field.default, field.type, field.name)
        schema, buffer = parse(_Written().schema(field.type), {}), io.BytesIO()
        fastavro.schemaless_writer(buffer, schema, value)
        return fastavro.schemaless_reader(io.BytesIO(buffer.getvalue()), schema)
    except (ValueError, TypeError, ArithmeticError, LookupError, RecursionError) as error:
        raise MalformedEvent(f"The default of {field.name} is no value: {error}.", field=field.name) from error


class _Written:
    """Writes a tree down again as a schema; `named` has the types that were met, by the names they are given."""

    def __init__(self) -> None:
        self.named: dict[str, Node] = {}

    def schema(self, node: Node, reader: Node | None = None) -> Any:
        """A type, whose values are resolved to the reader's type, if there is one."""
        if node.kind == "union":
            return [self.schema(branch, reader) for branch in node.branches]
        reader = None if reader is None else _partner(node, reader)
        if node.kind in ("array", "map"):
            assert node.items is not None
            items = self.schema(node.items, None if reader is None else reader.items)
            return {"type": node.kind, "items" if node.kind == "array" else "values": items}
        found: dict[str, Any] = {"type": node.kind}
        if node.name:
            name = node.name if "." in node.name else f"{NOWHERE}.{node.name}"
            if name in self.named:
                return name
            self.named[name], found["name"] = node, name
        found |= {key: node.properties[key] for key in _KEPT if key in node.properties}
        meant = node if reader is None else _meant(node, reader)
        if meant is None and reader is not None:
            found |= {"logicalType": _NEITHER, _WANTED: reader.logical}
        elif meant is not None and meant.logical is not None:
            found["logicalType"] = meant.logical
            found |= {key: meant.properties[key] for key in ("precision", "scale") if key in meant.properties}
        if node.kind == "record":
            found["fields"] = self._fields(node, reader)
        return found

    def _fields(self, node: Node, reader: Node | None) -> list[dict[str, Any]]:
        """A record's fields; for a reader under its own names, and what it does not read under names that it lacks."""
        if reader is None or reader.kind != "record":
            return [
                {"name": item.name, "type": self.schema(item.type), "aliases": item.aliases} for item in node.fields
            ]
        found = {source.name: name for name, source in sources(node, reader).items()}
        read = {item.name: item.type for item in reader.fields}
        known = {alias for item in reader.fields for alias in (item.name, *item.aliases)}
        return [
            {"name": found[item.name], "type": self.schema(item.type, read[found[item.name]])}
            if item.name in found
            else {"name": f"{NOWHERE}{item.name}" if item.name in known else item.name, "type": self.schema(item.type)}
            for item in node.fields
        ]


def sources(written: Node, reader: Node) -> dict[str, Field]:
    """The written field that each field of a reader's record is, by the reader's name for it: the one called so,
    otherwise the first of its aliases that is no other's. Fields that are not written are left out."""
    by_name = {field.name: field for field in written.fields}
    found = {field.name: by_name[field.name] for field in reader.fields if field.name in by_name}
    for field in reader.fields:
        free = (by_name[name] for name in field.aliases if name in by_name and by_name[name] not in found.values())
        if field.name not in found and (source := next(free, None)) is not None:
            found[field.name] = source
    return found


_NEITHER, _WANTED = "millrace-neither", "millrace-wanted"


def _refuse(value: object, written: dict[Any, Any] | None = None, read: dict[Any, Any] | None = None) -> NoReturn:
    """Called by fastavro for a value of another type than the one that the reader's logical type is of."""
    assert written is not None
    raise fastavro.read.SchemaResolutionError(f"{written['type']} is read as {written[_WANTED]}")


for _kind in ("int", "long", "float", "string", "bytes"):
    fastavro.read.LOGICAL_READERS[f"{_kind}-{_NEITHER}"] = _refuse

_FAMILIES = [
    {"timestamp-millis", "timestamp-micros", "timestamp-nanos"},
    {"local-timestamp-millis", "local-timestamp-micros", "local-timestamp-nanos"},
    {"time-millis", "time-micros"},
    {"decimal"},
]
"""Logical types whose values are the same things in other units: a reader of one takes those of another."""


def _meant(node: Node, reader: Node) -> Node | None:
    """Whose logical type a written value has for its reader; None where it cannot be read as the reader's."""
    both = {node.logical, reader.logical}
    if any(both <= family for family in _FAMILIES):
        return node
    if node.kind == reader.kind or reader.logical is None:
        return reader
    return None


def _partner(node: Node, reader: Node) -> Node | None:
    """The reader's type that a written value becomes; None where none is seen."""
    if reader.kind != "union":
        return reader
    alike = [branch for branch in reader.branches if branch.kind == node.kind]
    named = [branch for branch in alike if _short(branch.name) == _short(node.name)]
    others = [branch for branch in reader.branches if branch.kind != "null"]
    return next(iter([*named, *alike, *others]), None)


def _short(name: str) -> str:
    return name.rpartition(".")[2]
