"""Columns with types as Avro records, and Avro schemas of columns with types. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from typing import Any

import polars as pl

from schemas.avro import Node, Schema, resolved
from schemas.columns import frame_schema
from storage.errors import FileRefused
from storage.loads.column import Wrong, shown

_PLAIN: dict[Any, Any] = {
    pl.String: "string",
    pl.Boolean: "boolean",
    pl.Binary: "bytes",
    pl.Float32: "float",
    pl.Float64: "double",
    pl.Categorical: "string",
    pl.Enum: "string",
    pl.Date: {"type": "int", "logicalType": "date"},
    pl.Time: {"type": "long", "logicalType": "time-micros"},
}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
Change = Callable[[Any], Any]


def inferred(name: str, frame: pl.DataFrame, optional: Collection[str]) -> dict[str, Any]:
    """The Avro schema of rows with these columns.

    Args:
        name: of the storage; the record is called "TasteProfiles" for "taste_profiles".
        optional: columns that may be null; what has nulls in this frame may be too.

    Raises:
        FileRefused: a column has a type that Avro lacks, or a name that it does not take.
    """
    title = "".join(part.capitalize() for part in name.split("_"))
    fields = [_field(column, title, column.name in optional) for column in frame]
    return {"type": "record", "name": title, "fields": fields}


def avro_rows(frame: pl.DataFrame, schema: Schema) -> Iterator[Mapping[str, Any]]:
    """Rows as Avro writes them; the frame has a column for every field, or the field has a default.

    Raises:
        Wrong: a value does not fit.
    """
    root, wanted = resolved(schema), frame_schema(schema)
    there = [field for field in root.fields if field.name in frame.columns]
    columns = [_fitted(frame[field.name], field.type, wanted[field.name]) for field in there]
    changes = {field.name: change for field in there if (change := _change(field.type)) is not None}
    rows = pl.DataFrame(columns).iter_rows(named=True)
    if not changes:
        return rows
    return ({name: changes[name](v) if name in changes else v for name, v in row.items()} for row in rows)


def _field(column: pl.Series, title: str, optional: bool) -> dict[str, Any]:
    if not _NAME.fullmatch(column.name):
        raise FileRefused(f"The column {column.name!r} can name no field in Avro; use letters, digits and _.")
    kind = _type(column.dtype, f"{title}_{column.name}")
    if kind is None:
        raise FileRefused(f"The column {column.name!r} has {column.dtype}, which has no Avro type; give --schema.")
    if optional or column.null_count():
        return {"name": column.name, "type": ["null", kind], "default": None}
    return {"name": column.name, "type": kind}


def _type(kind: pl.DataType, title: str) -> Any:
    if kind.is_integer():
        return "long"
    if isinstance(kind, pl.Datetime):
        unit = "millis" if kind.time_unit == "ms" else "micros"
        return {"type": "long", "logicalType": f"{'local-' if kind.time_zone is None else ''}timestamp-{unit}"}
    if isinstance(kind, pl.Decimal):
        return {"type": "bytes", "logicalType": "decimal", "precision": kind.precision or 38, "scale": kind.scale}
    if isinstance(kind, pl.List | pl.Array):
        items = _type(kind.inner, title)  # type: ignore[arg-type]
        return None if items is None else {"type": "array", "items": ["null", items]}
    if isinstance(kind, pl.Struct):
        inside = {field.name: _type(field.dtype, f"{title}_{field.name}") for field in kind.fields}  # type: ignore[arg-type]
        if None in inside.values():
            return None
        fields = [{"name": name, "type": ["null", part], "default": None} for name, part in inside.items()]
        return {"type": "record", "name": title, "fields": fields}
    return _PLAIN.get(kind.base_type())


def _fitted(found: pl.Series, node: Node, wanted: pl.DataType) -> pl.Series:
    """A column with the type that its field's values have; nothing is rounded on the way."""
    expected = f"{'' if node.optional is None else 'null or '}{(node.optional or node).kind}"
    if found.dtype == pl.Null and node.optional is not None:
        return found
    present = found.is_not_null()
    if not _fits(found.dtype, wanted):
        row = next(iter(present.arg_true()), 0)
        raise Wrong(row, f"{shown(found[row])}, as the column has {found.dtype}", expected, found.name)
    if node.optional is None and node.kind not in ("null", "union"):
        for row in found.is_null().arg_true():
            raise Wrong(row, "null", f"{expected}; a schema with an optional field takes null", found.name)
    fitted = found.cast(wanted, strict=False)
    for row in (fitted.is_null() & present).arg_true():
        raise Wrong(row, shown(found[row]), expected, found.name)
    return fitted


def _fits(found: Any, wanted: Any) -> bool:
    if found == wanted or found == pl.Null:
        return True
    if isinstance(wanted, pl.List):
        return isinstance(found, pl.List | pl.Array) and _fits(found.inner, wanted.inner)
    if isinstance(wanted, pl.Struct):
        inside = {field.name: field.dtype for field in found.fields} if isinstance(found, pl.Struct) else {}
        return inside.keys() == {f.name for f in wanted.fields} and all(
            _fits(inside[f.name], f.dtype) for f in wanted.fields
        )
    if isinstance(wanted, pl.Datetime):
        return isinstance(found, pl.Datetime) and (found.time_zone is None) == (wanted.time_zone is None)
    if wanted.is_float():
        return bool(found.is_integer() or found.is_float())
    if wanted == pl.String:
        return found == pl.Categorical or isinstance(found, pl.Enum)
    return bool(wanted.is_integer() and found.is_integer())


def _change(node: Node) -> Change | None:
    """How a cell becomes what Avro writes, None where it is that: maps are lists of key and value in a frame."""
    if node.kind == "union":
        inner = _change(node.optional) if node.optional is not None else None
        return None if inner is None else partial(_unless_null, inner)
    if node.kind == "map":
        return lambda cell: {pair["key"]: pair["value"] for pair in cell}
    return None


def _unless_null(change: Change, cell: Any) -> Any:
    return None if cell is None else change(cell)
