"""Decoding whole batches into columns with pyruhvro, for the schemas and bytes that it is known to decode well.

What it is not trusted with (pyruhvro 0.4.0): bytes, fixed and several logical types make it panic; it wraps numbers
that are too large, leaves trailing bytes unread and does not check UTF-8. So a schema passes an allow-list, pyruhvro
hears nothing of logical types, and what was decoded is measured again: the shortest encoding of the decoded values is
never longer than what was read, so if all of it together is as long as the input, then every byte was read and was the
value's own. Only a number that is cut may be as long as before: so none of 32 bits is asked for, and those of ten bytes
are looked at again.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import polars as pl
import pyarrow.compute as pc
from numpy.typing import NDArray

from schemas.avro import Node, Schema, of_trusted_text, resolved, text_of
from schemas.columns import frame_schema
from schemas.errors import MalformedEvent
from schemas.skim import skim

try:
    import pyruhvro
except ImportError:  # the extra `columnar` is not installed: everything is decoded record by record
    pyruhvro = None

_SCALARS = {"boolean", "int", "long", "float", "double", "string", "enum"}
_LOGICAL = {
    None,
    "date",
    "timestamp-millis",
    "timestamp-micros",
    "local-timestamp-millis",
    "local-timestamp-micros",
}
_OF_A_FIELD = {("int", "time-millis"): 1_000_000, ("long", "time-micros"): 1_000, ("string", "uuid"): 0}
"""Logical types that are looked at by field, so not inside arrays and records; of times also a unit in nanoseconds."""
_A_DAY = 86_400_000_000_000
_UUID = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
"""As it is written here; each other way to write one is read alone."""
_MOST_TYPES = 1_000
_INT = 1 << 31
_LARGE = 1 << 62
"""Numbers from here on are ten bytes as zigzag varints."""
_ONE_BYTE = 64
"""Indexes below this are one byte as zigzag varints."""

_FIRST_DAY = dt.date.min.toordinal() - dt.date(1970, 1, 1).toordinal()
_LAST_DAY = dt.date.max.toordinal() - dt.date(1970, 1, 1).toordinal()


class NotColumnar(MalformedEvent):
    """Some record of a batch needs to be looked at alone."""


@dataclass(frozen=True)
class _Plan:
    """How batches of an allowed schema are decoded.

    Attributes:
        text: the schema for pyruhvro: without logical types, each named type under a name of its own.
        root: the schema itself.
    """

    text: str
    root: Node


@lru_cache(maxsize=2_000)
def _plan(text: str) -> _Plan | None:
    """None where the schema is not allowed."""
    root = resolved(of_trusted_text(text))
    return _Plan(text_of(_Physical().schema(root)), root) if _Allowance().record(root) else None


def allows(schema: Schema) -> bool:
    """Whether batches of this schema may be decoded in columns."""
    return pyruhvro is not None and _plan(text_of(schema)) is not None


def decode(bodies: Sequence[bytes], schema: Schema) -> pl.DataFrame:
    """Decode Avro bodies of one allowed schema into a frame with the columns of `frame_schema`.

    Raises:
        NotColumnar: some body is not the plain encoding of a value; all must be decoded another way.
    """
    plan = _plan(text_of(schema))
    assert plan is not None
    try:
        batch = pyruhvro.deserialize_array(list(bodies), plan.text)
        batch.validate(full=True)  # among others that text is UTF-8
        measure = _Measure()
        size = sum(measure.of(batch.column(place), field.type) for place, field in enumerate(plan.root.fields))
        if measure.large:
            _check_large(bodies, plan.root)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a Rust panic is no `Exception`
        raise NotColumnar(str(error)) from None
    if size != sum(map(len, bodies)):
        raise NotColumnar("the values' shortest encoding is not what the bytes are")
    frame = _with_own_types(pl.DataFrame(pl.from_arrow(batch)), plan.root)
    frame = frame.cast(frame_schema(schema))  # type: ignore[arg-type]
    if not all(_in_range(column) for column in frame):
        raise NotColumnar("a time lies outside the years 1 to 9999")
    return frame


class _Physical:
    """Writes a tree down as a schema of what is in the bytes; no two types have one name, so none refers to another."""

    def __init__(self) -> None:
        self._names = 0

    def schema(self, node: Node) -> Any:
        if node.kind == "union":
            return [self.schema(branch) for branch in node.branches]
        if node.kind == "array":
            assert node.items is not None
            return {"type": "array", "items": self.schema(node.items)}
        if node.kind not in ("record", "enum"):
            return "long" if node.kind == "int" else node.kind  # they are encoded alike, and this one is not cut
        self._names += 1
        found = {"type": node.kind, "name": f"n{self._names}"}
        if node.kind == "enum":
            return {**found, "symbols": node.symbols}
        return {**found, "fields": [{"name": field.name, "type": self.schema(field.type)} for field in node.fields]}


class _Allowance:
    """Tells whether types may be decoded in columns; types that name one another may be many more than they look."""

    def __init__(self) -> None:
        self._room = _MOST_TYPES

    def record(self, root: Node) -> bool:
        return root.kind == "record" and bool(root.fields) and all(self._field(item.type, root) for item in root.fields)

    def _field(self, node: Node, root: Node) -> bool:
        kind = node.optional or node
        return (kind.kind, kind.logical) in _OF_A_FIELD or self._type(node, (root,))

    def _type(self, node: Node, inside: tuple[Node, ...]) -> bool:
        node = node.optional or node
        self._room -= 1
        if self._room < 0 or node in inside:
            return False
        if node.kind == "array":
            return node.items is not None and self._type(node.items, (*inside, node))
        if node.kind == "record":
            return bool(node.fields) and all(self._type(item.type, (*inside, node)) for item in node.fields)
        return node.kind in _SCALARS and node.logical in _LOGICAL and len(node.symbols) <= _ONE_BYTE


def _with_own_types(frame: pl.DataFrame, root: Node) -> pl.DataFrame:
    """Times of a day as such; texts that are UUIDs are looked at."""
    columns = []
    for field in root.fields:
        node = field.type.optional or field.type
        unit = _OF_A_FIELD.get((node.kind, node.logical or ""))
        if unit == 0:
            if not frame[field.name].str.contains(_UUID).all():
                raise NotColumnar("a UUID is written in another way")
        elif unit is not None:
            nanoseconds = frame[field.name].cast(pl.Int64)
            low, high = nanoseconds.min(), nanoseconds.max()
            if isinstance(low, int) and isinstance(high, int) and not 0 <= low <= high < _A_DAY // unit:
                raise NotColumnar("a time lies outside the day")
            columns.append((nanoseconds * unit).cast(pl.Time))
    return frame.with_columns(columns)


class _Measure:
    """Bytes of columns' shortest encoding; `large` says whether there was a number of ten bytes."""

    def __init__(self) -> None:
        self.large = False

    def of(self, column: Any, node: Node) -> int:
        size = 0
        if node.optional is not None:
            size, node = len(column), node.optional
        elif column.null_count:
            raise NotColumnar("a value is missing")
        values = column.drop_null() if column.null_count else column
        if node.kind == "record":
            return size + sum(self.of(values.field(place), field.type) for place, field in enumerate(node.fields))
        if node.kind != "array":
            return size + self._scalar(values, node)
        assert node.items is not None
        lengths = _numbers(pc.list_value_length(values))
        return size + len(lengths) + _varint_size(lengths[lengths > 0]) + self.of(values.flatten(), node.items)

    def _scalar(self, values: Any, node: Node) -> int:
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
            case _:
                return self._integer(_numbers(values), node)

    def _integer(self, numbers: NDArray[np.int64], node: Node) -> int:
        low, high = numbers.min(initial=0), numbers.max(initial=0)
        if node.kind == "int" and not -_INT <= low <= high < _INT:
            raise NotColumnar("a number does not fit into 32 bits")
        self.large = self.large or not -_LARGE <= low <= high < _LARGE
        return _varint_size(numbers)


def _check_large(bodies: Sequence[bytes], root: Node) -> None:
    """Walk over each body in which a number of ten bytes may have had more than 64 bits.

    Its tenth byte is then above 1. Whatever else looks like that is walked over in vain.

    Raises:
        MalformedEvent: one had.
    """
    data = np.frombuffer(b"".join(bodies), np.uint8)
    before = np.concatenate([[0], np.cumsum(data >= 0x80)])
    tenth = data[9:]
    found = np.flatnonzero((before[9:-1] - before[:-10] == 9) & (tenth > 1) & (tenth < 0x80))
    ends = np.cumsum([len(body) for body in bodies])
    for place in np.unique(np.searchsorted(ends, found, side="right")).tolist():
        skim(bodies[place], root)


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


def _in_range(column: pl.Series) -> bool:
    """Whether every time in it is one that Python has, as the decoder of single records demands."""
    if isinstance(column.dtype, pl.List):
        return _in_range(column.explode())
    if isinstance(column.dtype, pl.Struct):
        return all(_in_range(column.struct.field(field.name)) for field in column.dtype.fields)
    limits = _limits(column.dtype)
    if limits is None:
        return True
    low, high = column.to_physical().min(), column.to_physical().max()
    return not (isinstance(low, int) and isinstance(high, int)) or limits[0] <= low <= high <= limits[1]


def _limits(kind: pl.DataType) -> tuple[int, int] | None:
    """First and last number of a type of times that Python's own times reach; None for other types."""
    if isinstance(kind, pl.Date):
        return _FIRST_DAY, _LAST_DAY
    if isinstance(kind, pl.Datetime):
        a_day = 86_400_000 if kind.time_unit == "ms" else 86_400_000_000
        return _FIRST_DAY * a_day, (_LAST_DAY + 1) * a_day - 1
    return None
