"""Decoding whole batches into columns with pyruhvro, for the schemas and bytes that it is known to decode well.

What it is not trusted with (pyruhvro 0.4.0): bytes, fixed, decimals and several logical types make it panic; it wraps
numbers that are too large, leaves trailing bytes unread and does not check UTF-8. So a schema passes an allow-list, and
what was decoded is measured again: the shortest encoding of the decoded values is never longer than what was read, so
if all of it together is as long as the input, then every byte was read and was the value's own.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from schemas.avro import Node, Schema, of_trusted_text, resolved, text_of
from schemas.columns import frame_schema
from schemas.errors import MalformedEvent

try:
    import pyruhvro
except ImportError:  # the extra `columnar` is not installed: everything is decoded record by record
    pyruhvro = None

_SCALARS = {"boolean", "int", "long", "float", "double", "string", "enum"}
_LOGICAL = {None, "date", "timestamp-millis", "timestamp-micros"}
_ONE_BYTE = 64
"""Indexes below this are one byte as zigzag varints."""

_FIRST_DAY = dt.date.min.toordinal() - dt.date(1970, 1, 1).toordinal()
_LAST_DAY = dt.date.max.toordinal() - dt.date(1970, 1, 1).toordinal()


class NotColumnar(MalformedEvent):
    """Some record of a batch needs to be looked at alone."""


@lru_cache(maxsize=2_000)
def _allows(text: str) -> bool:
    node = resolved(of_trusted_text(text))
    return node.kind == "record" and bool(node.fields) and all(_column_allowed(field.type) for field in node.fields)


def allows(schema: Schema) -> bool:
    """Whether batches of this schema may be decoded in columns."""
    return pyruhvro is not None and _allows(text_of(schema))


def decode(bodies: Sequence[bytes], schema: Schema) -> pl.DataFrame:
    """Decode Avro bodies of one allowed schema into a frame with the columns of `frame_schema`.

    Raises:
        NotColumnar: some body is not the plain encoding of a value; all must be decoded another way.
    """
    try:
        batch = pyruhvro.deserialize_array(list(bodies), text_of(schema))
        batch.validate(full=True)  # among others that text is UTF-8
        size = _size(batch, resolved(schema))
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a Rust panic is no `Exception`
        raise NotColumnar(str(error)) from None
    if size != sum(map(len, bodies)):
        raise NotColumnar("the values' shortest encoding is not what the bytes are")
    frame = pl.DataFrame(pl.from_arrow(batch)).cast(frame_schema(schema))  # type: ignore[arg-type]
    if not _in_range(frame):
        raise NotColumnar("a time lies outside the years 1 to 9999")
    return frame


def _column_allowed(node: Node) -> bool:
    node = node.optional or node
    if node.kind == "array":
        return node.items is not None and _scalar_allowed(node.items)
    return _scalar_allowed(node)


def _scalar_allowed(node: Node) -> bool:
    if node.kind not in _SCALARS or node.logical not in _LOGICAL:
        return False
    return len(node.symbols) <= _ONE_BYTE


def _size(batch: pa.RecordBatch, root: Node) -> int:
    return sum(_column_size(batch.column(place), field.type) for place, field in enumerate(root.fields))


def _column_size(column: Any, node: Node) -> int:
    """Bytes of a column's shortest encoding."""
    size = 0
    if node.optional is not None:
        size, node = len(column), node.optional
    elif column.null_count:
        raise NotColumnar("a value is missing")
    values = column.drop_null() if column.null_count else column
    if node.kind != "array":
        return size + _scalar_size(values, node)
    assert node.items is not None
    lengths = _numbers(pc.list_value_length(values))
    full = lengths[lengths > 0]
    inner = values.flatten()
    if inner.null_count:
        raise NotColumnar("a value is missing")
    return size + len(lengths) + _varint_size(full) + _scalar_size(inner, node.items)


def _scalar_size(values: Any, node: Node) -> int:
    match node.kind:
        case "boolean" | "enum":
            return len(values)
        case "float":
            return 4 * len(values)
        case "double":
            return 8 * len(values)
        case "string":
            lengths = _numbers(pc.binary_length(values))
            return int(lengths.sum()) + _varint_size(lengths)
        case "int":
            return _varint_size(_numbers(values.view(pa.int32())))
        case _:
            return _varint_size(_numbers(values.view(pa.int64())))


def _numbers(values: Any) -> NDArray[np.int64]:
    return values.to_numpy(zero_copy_only=False).astype(np.int64)  # type: ignore[no-any-return]


def _varint_size(numbers: NDArray[np.int64]) -> int:
    """Bytes of numbers as zigzag varints (Avro specification, Binary Encoding)."""
    zigzag = ((numbers << 1) ^ (numbers >> 63)).view(np.uint64)
    size, largest = len(numbers), int(zigzag.max(initial=0))
    threshold = 1 << 7
    while threshold <= largest:
        size += int(np.count_nonzero(zigzag >= np.uint64(threshold)))
        threshold <<= 7
    return size


def _in_range(frame: pl.DataFrame) -> bool:
    """Whether every time is one that Python has, as the decoder of single records demands."""
    for name in frame.columns:
        column = frame[name].explode() if isinstance(frame.schema[name], pl.List) else frame[name]
        limits = _limits(column.dtype)
        if limits is None:
            continue
        low, high = column.to_physical().min(), column.to_physical().max()
        if isinstance(low, int) and isinstance(high, int) and not limits[0] <= low <= high <= limits[1]:
            return False
    return True


def _limits(kind: pl.DataType) -> tuple[int, int] | None:
    """First and last number of a type of times that Python's own times reach; None for other types."""
    if isinstance(kind, pl.Date):
        return _FIRST_DAY, _LAST_DAY
    if isinstance(kind, pl.Datetime):
        a_day = 86_400_000 if kind.time_unit == "ms" else 86_400_000_000
        return _FIRST_DAY * a_day, (_LAST_DAY + 1) * a_day - 1
    return None
