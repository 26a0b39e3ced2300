"""Whole storages as frames: for notebooks, checks and comparisons, not for serving."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from schemas import decode_record
from schemas.columns import frame_of, frame_schema
from storage.descriptor import Descriptor
from storage.formats.decay import factor
from storage.formats.document_row import Document, document_of
from storage.formats.row_items import scalars_of
from storage.formats.vector_row import Vector, vector_of
from storage.formats.window import parted
from storage.snapshots.snapshot import Snapshot
from storage.technology import Technology

if TYPE_CHECKING:
    from storage.formats.format import Format


def record_frame(schema: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """Records as a frame with the columns of their schema."""
    return frame_of(rows, schema) if rows else pl.DataFrame(schema=frame_schema(schema))


def vector_frame(vectors: Sequence[tuple[str, Vector]], dimensions: int) -> pl.DataFrame:
    """Vectors by key as a frame of key and vector."""
    matrix = np.array([vector for _, vector in vectors], np.float32).reshape(-1, dimensions)
    return pl.DataFrame(
        {
            "key": pl.Series([key for key, _ in vectors], dtype=pl.String),
            "vector": pl.Series(matrix, dtype=pl.Array(pl.Float32, dimensions)),
        }
    )


def document_frame(documents: Sequence[tuple[str, Document]], fields: Sequence[str]) -> pl.DataFrame:
    """Documents by key as a frame of key and fields; null where a document lacks one."""
    columns = {name: [document.get(name) for _, document in documents] for name in fields}
    found = {"key": pl.Series([key for key, _ in documents], dtype=pl.String)}
    return pl.DataFrame({**found, **{name: _column(values) for name, values in columns.items()}})


def to_frame(form: Format, technology: Technology, descriptor: Descriptor) -> pl.DataFrame:
    """All rows of a storage. Blocks while it reads them; they are not of one moment.

    Returns:
        Of a ranking key, member and score, decayed to the newest event; of counters key, field and value, both with the
        start of the window before the key where they are kept by window; of records
        their columns; of vectors key and vector; of documents key and fields; of parameters unit, path and value, with
        a row for each number in an array or a mapping. Sorted by key or unit.
    """
    match form.format:
        case "ranking":
            return _ranking(technology, descriptor)
        case "counters":
            return _counters(technology, descriptor)
        case "vectors":
            return _vectors(technology, descriptor)
        case "documents":
            return _documents(technology, descriptor)
        case "parameters":
            return _parameters(technology, descriptor)
        case _:
            return _records(technology, descriptor)


def _ranking(technology: Technology, descriptor: Descriptor) -> pl.DataFrame:
    newest, half_life = technology.newest(descriptor), descriptor.options.get("half_life_ms")
    found: dict[tuple[str, str], float] = {}
    for address, row in technology.dump(descriptor):
        assert isinstance(row, dict)
        scale = 1.0
        if half_life and newest.bucket is not None and newest.at_ms is not None:
            if address.bucket is None or address.bucket < newest.bucket - 1:
                continue
            scale = factor(address.bucket, newest.at_ms, half_life)
        for member, score in row.items():
            found[address.key, member] = found.get((address.key, member), 0.0) + score * scale
    rows = [(key, member, score) for (key, member), score in found.items()]
    return _by_window(descriptor, rows, {"member": pl.String, "score": pl.Float64})


def _counters(technology: Technology, descriptor: Descriptor) -> pl.DataFrame:
    rows = [
        (address.key, field, value)
        for address, row in technology.dump(descriptor)
        if isinstance(row, dict)
        for field, value in row.items()
    ]
    return _by_window(descriptor, rows, {"field": pl.String, "value": pl.Int64})


def _by_window(
    descriptor: Descriptor, rows: Sequence[tuple[str, Any, Any]], kinds: Mapping[str, type[pl.DataType]]
) -> pl.DataFrame:
    """Rows by key and item, sorted; where they are in windows, with the start of each before its key."""
    first, item = {"key": pl.String}, next(iter(kinds))
    if not descriptor.options.get("window_ms"):
        return pl.DataFrame(rows, {**first, **kinds}, orient="row").sort("key", item)
    parts = [(*parted(key), *others) for key, *others in rows]
    return pl.DataFrame(parts, {"window": pl.Datetime("ms", "UTC"), **first, **kinds}, orient="row").sort(
        "window", "key", item
    )


def _records(technology: Technology, descriptor: Descriptor) -> pl.DataFrame:
    schema = descriptor.schema
    assert schema is not None
    found = _put(technology, descriptor)
    return record_frame(schema, [decode_record(schema, found[key]) for key in sorted(found)])


def _vectors(technology: Technology, descriptor: Descriptor) -> pl.DataFrame:
    dimensions = int(descriptor.options["dimensions"])
    rows = _put(technology, descriptor)
    found = [(key, vector_of(rows[key], dimensions, f"{descriptor.title} of {key!r}")) for key in sorted(rows)]
    return vector_frame(found, dimensions)


def _documents(technology: Technology, descriptor: Descriptor) -> pl.DataFrame:
    rows = _put(technology, descriptor)
    return document_frame([(key, document_of(rows[key])) for key in sorted(rows)], descriptor.options["fields"])


def _column(values: list[Any]) -> pl.Series:
    """Of one type; of text where documents differ."""
    kinds = {type(value) for value in values if value is not None}
    if len(kinds) > 1 and not kinds <= {int, float}:
        values = [value if value is None or isinstance(value, str) else json.dumps(value) for value in values]
    return pl.Series(values, dtype=None if kinds else pl.String, strict=False)


def _parameters(technology: Technology, descriptor: Descriptor) -> pl.DataFrame:
    rows = _put(technology, descriptor)
    found = [
        (int(unit), path, float(value))
        for unit in sorted(rows, key=int)
        for path, value in scalars_of(Snapshot.of_bytes(rows[unit], f"{descriptor.title} of unit {unit}"))
        if isinstance(value, int | float)
    ]
    return pl.DataFrame(found, {"unit": pl.Int64, "path": pl.String, "value": pl.Float64}, orient="row")


def _put(technology: Technology, descriptor: Descriptor) -> dict[str, bytes]:
    return {address.key: row for address, row in technology.dump(descriptor) if isinstance(row, bytes)}
