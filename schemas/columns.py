"""Avro types as columns of a polars frame, and decoded rows as such a frame."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import polars as pl

from schemas.avro import Node, Schema, of_trusted_text, resolved, text_of
from schemas.errors import SchemaError

_PLAIN: dict[str, pl.DataType] = {
    "null": pl.Null(),
    "boolean": pl.Boolean(),
    "int": pl.Int32(),
    "long": pl.Int64(),
    "float": pl.Float32(),
    "double": pl.Float64(),
    "bytes": pl.Binary(),
    "string": pl.String(),
    "fixed": pl.Binary(),
    "enum": pl.String(),
}
_LOGICAL: dict[tuple[str, str], pl.DataType] = {
    ("int", "date"): pl.Date(),
    ("int", "time-millis"): pl.Time(),
    ("long", "time-micros"): pl.Time(),
    ("long", "timestamp-millis"): pl.Datetime("ms", "UTC"),
    ("long", "timestamp-micros"): pl.Datetime("us", "UTC"),
    ("long", "local-timestamp-millis"): pl.Datetime("ms"),
    ("long", "local-timestamp-micros"): pl.Datetime("us"),
}
_MOST_DIGITS = 38
"""Of a decimal; polars counts in 128 bits."""

Convert = Callable[[Any], Any]


def frame_schema(schema: Schema) -> dict[str, pl.DataType]:
    """Column names and types for a record schema. Optional fields are columns with nulls; maps are lists of key and
    value; enums, fixed and UUIDs are text or bytes.

    Raises:
        SchemaError: it is no record, or a field may be one of several types, is recursive or a too long decimal.
    """
    return dict(_frame_schema(text_of(schema)))


def frame_type(node: Node) -> pl.DataType:
    """The type of a column of values of a type.

    Raises:
        SchemaError: as `frame_schema` does.
    """
    return _column(node, node.name or node.kind, ())


def cell_of(value: Any, node: Node) -> Any:
    """A decoded value as a column of its type takes it."""
    convert = _converter(node)
    return value if convert is None else convert(value)


def frame_of(rows: Sequence[Mapping[str, Any]], schema: Schema) -> pl.DataFrame:
    """Decoded records as a frame with the columns of `frame_schema`."""
    text = text_of(schema)
    columns, convert = _frame_schema(text), _converters(text)
    data = {}
    for name, kind in columns.items():
        cells = [row[name] for row in rows]
        if name in convert:
            cells = list(map(convert[name], cells))
        data[name] = pl.Series(name, cells, dtype=kind, strict=True)
    return pl.DataFrame(data, schema=columns)


@lru_cache(maxsize=2_000)
def _frame_schema(text: str) -> Mapping[str, pl.DataType]:
    return {field.name: _column(field.type, field.name, ()) for field in _root(text).fields}


@lru_cache(maxsize=2_000)
def _converters(text: str) -> Mapping[str, Convert]:
    found = {field.name: _converter(field.type) for field in _root(text).fields}
    return {name: convert for name, convert in found.items() if convert is not None}


def _root(text: str) -> Node:
    node = resolved(of_trusted_text(text))
    if node.kind != "record":
        raise SchemaError(f"A frame needs the schema of a record, not of the type {node.kind}.")
    return node


def _column(node: Node, place: str, inside: tuple[Node, ...]) -> pl.DataType:
    if node in inside:
        raise SchemaError(f"{place} contains itself, which no column holds; flatten it.")
    inside = (*inside, node)
    if node.kind == "union":
        kinds = [branch for branch in node.branches if branch.kind != "null"]
        if len(kinds) > 1:
            names = ", ".join(branch.name or branch.kind for branch in kinds)
            raise SchemaError(f"{place} may be one of {names}; a column holds one type. Use a field for each.")
        return _column(kinds[0], place, inside) if kinds else pl.Null()
    if node.kind == "record":
        return pl.Struct({field.name: _column(field.type, f"{place}.{field.name}", inside) for field in node.fields})
    if node.kind == "array":
        assert node.items is not None
        return pl.List(_column(node.items, f"{place}[]", inside))
    if node.kind == "map":
        assert node.items is not None
        return pl.List(pl.Struct({"key": pl.String(), "value": _column(node.items, f"{place}{{}}", inside)}))
    if node.logical == "decimal" and node.kind in ("bytes", "fixed"):
        return _decimal(int(node.properties["precision"]), int(node.properties.get("scale", 0)), place)
    return _LOGICAL.get((node.kind, node.logical or ""), _PLAIN[node.kind])


def _decimal(digits: int, scale: int, place: str) -> pl.DataType:
    if digits > _MOST_DIGITS:
        raise SchemaError(
            f"{place} is a decimal of {digits} digits; a column holds {_MOST_DIGITS}. Use fewer, or text."
        )
    return pl.Decimal(digits, scale)


def _converter(node: Node) -> Convert | None:
    """How a decoded value becomes a cell; None where it is one already."""
    if node.kind == "union":
        kinds = [branch for branch in node.branches if branch.kind != "null"]
        inner = _converter(kinds[0]) if kinds else None
        return None if inner is None else lambda value: None if value is None else inner(value)
    if node.kind == "record":
        inside = {field.name: convert for field in node.fields if (convert := _converter(field.type)) is not None}
        if not inside:
            return None
        return lambda value: {key: inside[key](item) if key in inside else item for key, item in value.items()}
    if node.kind in ("array", "map"):
        assert node.items is not None
        each = _converter(node.items)
        if node.kind == "array":
            return None if each is None else lambda value: [each(item) for item in value]
        pick: Convert = each or (lambda item: item)
        return lambda value: [{"key": key, "value": pick(item)} for key, item in value.items()]
    if (node.kind, node.logical) == ("string", "uuid"):
        return str
    if node.logical == "duration":
        return lambda value: value if isinstance(value, bytes) else bytes(value)
    return None
