"""Resolving a writer's columns to a reader's schema, where whole columns allow it (Avro specification, Schema
Resolution)."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import polars as pl

from schemas.avro import Field, Node, Schema, of_trusted_text, resolved, text_of
from schemas.columns import cell_of, frame_schema, frame_type
from schemas.errors import MalformedEvent
from schemas.reading import default_of, sources

Project = Callable[[pl.DataFrame], pl.DataFrame]

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
    columns = []
    for field in read.fields:
        column = _field(field, read, written, pl.col, wanted[field.name])
        if column is None:
            return None
        columns.append(column)
    if not any(column.meta.root_names() for column in columns):
        return None  # columns of defaults alone would not know how many rows there are
    return lambda frame: frame.select(columns)


def _field(
    field: Field, read: Node, written: Node, pick: Callable[[str], pl.Expr], kind: pl.DataType
) -> pl.Expr | None:
    """A field of the reader's record, made of the writer's record, whose fields `pick` gives."""
    source = sources(written, read).get(field.name)
    value = _literal(field, kind) if source is None else _value(source.type, field.type, pick(source.name))
    return None if value is None else value.cast(kind).alias(field.name)


def _literal(field: Field, kind: pl.DataType) -> pl.Expr | None:
    """A column of the field's default."""
    if not field.has_default:
        return None
    try:
        cell = cell_of(default_of(field), field.type)
    except MalformedEvent:
        return None
    return pl.lit(pl.Series([cell], dtype=kind)).first()


def _value(written: Node, read: Node, value: pl.Expr) -> pl.Expr | None:
    """The reader's value, of the writer's; None where single records must be resolved."""
    if read.optional is not None:
        return _value(written.optional or written, read.optional, value)
    if written.kind == "union" or read.kind == "union":
        return None
    if written.kind != read.kind:
        plain = written.logical is None and read.logical is None
        return value if plain and read.kind in _WIDER.get(written.kind, ()) else None
    if written.logical != read.logical:
        return None
    if written.kind == "array":
        assert written.items is not None
        assert read.items is not None
        item = _value(written.items, read.items, pl.element())
        return None if item is None else value if _same(written.items, read.items) else value.list.eval(item)
    if written.kind == "record":
        return _record(written, read, value)
    return _enum(written, read, value) if written.kind == "enum" else value if _same(written, read) else None


def _record(written: Node, read: Node, value: pl.Expr) -> pl.Expr | None:
    if _short(written) != _short(read) or written.logical is not None:
        return None
    kinds = frame_type(read)
    assert isinstance(kinds, pl.Struct)
    fields = []
    for field, kind in zip(read.fields, kinds.fields, strict=True):
        found = _field(field, read, written, value.struct.field, kind.dtype)  # type: ignore[arg-type]
        if found is None:
            return None
        fields.append(found)
    return pl.when(value.is_not_null()).then(pl.struct(fields)) if fields else None


def _enum(written: Node, read: Node, value: pl.Expr) -> pl.Expr | None:
    if _short(written) != _short(read):
        return None
    if set(written.symbols) <= set(read.symbols):
        return value
    otherwise = read.properties.get("default")
    if otherwise not in read.symbols:
        return None
    return pl.when(value.is_null() | value.is_in(read.symbols)).then(value).otherwise(pl.lit(otherwise))


def _same(one: Node, other: Node) -> bool:
    """Whether a type is written and read alike, and is one without types inside."""
    if (one.kind, one.logical) != (other.kind, other.logical):
        return False
    return one.kind not in ("record", "union", "map", "array", "fixed", "enum") and one.logical != "decimal"


def _short(node: Node) -> str:
    return node.name.rpartition(".")[2]
