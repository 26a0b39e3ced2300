"""Schemas for fastavro to read with: full names that it mistakes for no type's, and defaults as values, not as JSON."""

from __future__ import annotations

import io
from typing import Any

import fastavro

from schemas.avro import Field, Node, Schema, parse, resolved
from schemas.errors import MalformedEvent
from schemas.json_value import read_json

NOWHERE = "-"
"""Stands for the missing namespace, so that every name has a dot: no namespace in a schema is called so."""
_KEPT = ("aliases", "default", "precision", "scale", "size", "symbols")


def reading(schema: Schema) -> Any:
    """The schema as fastavro wants it for reading, as a writer's and as a reader's.

    A default that is no value of its field's type counts as none.

    Raises:
        SchemaError: it is no Avro schema.
    """
    written = _Written()
    named: dict[str, Any] = {}
    found = parse(written.schema(resolved(schema)), named)
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

    def schema(self, node: Node) -> Any:
        if node.kind == "union":
            return [self.schema(branch) for branch in node.branches]
        if node.kind in ("array", "map"):
            assert node.items is not None
            return {"type": node.kind, "items" if node.kind == "array" else "values": self.schema(node.items)}
        found: dict[str, Any] = {"type": node.kind}
        if node.name:
            name = node.name if "." in node.name else f"{NOWHERE}.{node.name}"
            if name in self.named:
                return name
            self.named[name], found["name"] = node, name
        found |= {key: node.properties[key] for key in _KEPT if key in node.properties}
        if node.logical is not None:
            found["logicalType"] = node.logical
        if node.kind == "record":
            found["fields"] = [
                {"name": field.name, "type": self.schema(field.type), "aliases": field.aliases} for field in node.fields
            ]
        return found
