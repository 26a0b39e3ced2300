"""Resolving a writer's columns to a reader's schema, where whole columns allow it (Avro specification, Schema
Resolution)."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import polars as pl

from schemas.avro import Field, Node, Schema, of_trusted_text, resolved, text_of
from schemas.columns import frame_schema
from schemas.errors import MalformedEvent
from schemas.reading import default_of

Project = Callable[[pl.DataFrame], pl.DataFrame]

_LITERALS = {"null", "boolean", "int", "long", "float", "double", "string", "enum"}
_WIDER = {"int": {"long", "float", "double"}, "long": {"double"}, "float": {"double"}}
"""Promotions that a cast makes as the decoder does; a long becomes a float by way of a double, rounded twice."""


def projection(writer: Schema, reader: Schema) -> Project | None:
    """How a frame of the writer's columns becomes one of the reader's; None where single records must be resolved.

    Raises:
        SchemaError: the reader's schema has no columns.
    """
    return _projection(text_of(writer), text_of(reader))


@lru_cache(maxsize=2_000)
def _projection(writer: str, reader: str) -> Project | None:
    wanted = frame_schema(of_trusted_text(reader))
    if writer == reader:
        return lambda frame: frame
    written, read = resolved(of_trusted_text(writer)), resolved(of_trusted_text(reader))
    if written.kind != "record" or written.name.rpartition(".")[2] != read.name.rpartition(".")[2]:
        return None
    known = {field.name: field for field in written.fields}
    if not any(field.name in known for field in read.fields):
        return None  # columns of defaults alone would not know how many rows there are
    columns = []
    for field in read.fields:
        column = _column(field, known.get(field.name), wanted[field.name])
        if column is None:
            return None
        columns.append(column)
    return lambda frame: frame.select(columns)


def _column(field: Field, written: Field | None, kind: pl.DataType) -> pl.Expr | None:
    if field.aliases:
        return None
    if written is None:
        return _literal(field, kind)
    return pl.col(field.name).cast(kind) if _readable(written.type, field.type) else None


def _literal(field: Field, kind: pl.DataType) -> pl.Expr | None:
    """A column of the field's default."""
    if not field.has_default:
        return None
    try:
        value = default_of(field)
    except MalformedEvent:
        return None
    node = field.type.optional or field.type
    plain = value is None or (node.logical is None and node.kind in _LITERALS)
    return pl.lit(value, kind).alias(field.name) if plain else None


def _readable(written: Node, read: Node) -> bool:
    """Whether every value of the one type is a value of the other, cell by cell."""
    if read.optional is not None:
        return _readable(written.optional or written, read.optional)
    if written.kind == "union" or read.kind == "union" or written.kind != read.kind:
        plain = written.logical is None and read.logical is None
        return plain and read.kind in _WIDER.get(written.kind, ())
    if written.kind == "array":
        assert written.items is not None
        assert read.items is not None
        return _same(written.items, read.items)
    return _same(written, read)


def _same(one: Node, other: Node) -> bool:
    alike: tuple[Any, Any] = (one.kind, one.logical), (other.kind, other.logical)
    if alike[0] != alike[1] or one.kind in ("record", "union", "map", "array", "fixed"):
        return False
    return one.kind != "enum" or (one.name == other.name and set(one.symbols) <= set(other.symbols))
