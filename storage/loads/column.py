"""One column of a file as keys, integers, numbers, times or vectors, and which row is none. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec
import polars as pl

from storage.writes import EXACT

Kind = Literal["text", "integer", "number", "time", "vector"]

EXPECTED: dict[Kind, str] = {
    "text": "a text or an integer",
    "integer": "an integer within 2^53",
    "number": "a finite number",
    "time": "a time with its zone, such as 2026-01-31T12:00:00Z",
    "vector": "a list of finite numbers",
}
_JSON: dict[Kind, tuple[type, ...]] = {
    "text": (str, int),
    "integer": (int,),
    "number": (int, float),
    "time": (str,),
    "vector": (list,),
}
_WORDS = {str: "text", bool: "true or false", int: "an integer", float: "a number", list: "a list", dict: "an object"}
_SHOWN = 60
_VECTOR: msgspec.json.Decoder[list[float]] = msgspec.json.Decoder(list[float])


class Wrong(Exception):
    """A row, counted from 0, that is not what its column should be.

    Attributes:
        found: what is there, in words.
        column: where who raises it knows it.
    """

    def __init__(self, row: int, found: str, expected: str, column: str | None = None) -> None:
        super().__init__(row, found, expected, column)
        self.row, self.found, self.expected, self.column = row, found, expected, column


def of_series(found: pl.Series, kind: Kind) -> pl.Series:
    """A column of a file that has types."""
    if not _TAKES[kind](found.dtype):
        row = next(iter(found.is_not_null().arg_true()), 0)
        raise Wrong(row, f"{shown(found[row])}, as the column has {found.dtype}", EXPECTED[kind])
    _no_nulls(found, kind)
    if kind == "text":
        return found.cast(pl.String)
    if kind == "time":
        return found.dt.convert_time_zone("UTC").dt.cast_time_unit("us")
    if kind == "vector":
        return _vectors(found.arr.to_list() if isinstance(found.dtype, pl.Array) else found)
    return _numbers(found, kind)


def of_text(found: pl.Series, kind: Kind) -> pl.Series:
    """A column of a file that has only text; an empty cell is null."""
    _no_nulls(found, kind)
    match kind:
        case "text":
            return found
        case "time":
            return _times(found.to_list())
        case "vector":
            return _vectors(pl.Series(found.name, list(_parsed(found)), pl.List(pl.Float64)))
        case "integer":
            numbers = found.cast(pl.Int64, strict=False)
        case "number":
            numbers = found.cast(pl.Float64, strict=False)
    for row in numbers.is_null().arg_true():
        raise Wrong(row, shown(found[row]), EXPECTED[kind])
    return _numbers(numbers, kind)


def of_json(found: Sequence[Any], kind: Kind) -> pl.Series:
    """A column of JSON values; None where there is none."""
    allowed = _JSON[kind]
    if not set(map(type, found)) <= set(allowed):
        row = next(row for row, value in enumerate(found) if type(value) not in allowed)
        raise Wrong(row, shown(found[row]), EXPECTED[kind])
    if kind == "text":
        return pl.Series(values=[str(value) for value in found], dtype=pl.String)
    if kind == "time":
        return _times(found)
    if kind == "vector":
        return _vectors(_lists(found))
    for row, value in enumerate(found):
        if type(value) is int and not -EXACT <= value <= EXACT:
            raise Wrong(row, shown(value), EXPECTED["integer"])
    return _numbers(pl.Series(values=found, dtype=pl.Int64 if kind == "integer" else pl.Float64), kind)


def shown(value: Any) -> str:
    """A value in a message."""
    if value is None:
        return "null"
    if isinstance(value, pl.Series):
        value = value.to_list()
    text = str(value)
    short = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
    return repr(short) if isinstance(value, str) else f"{_WORDS.get(type(value), '')} {short}".strip()


def _is_number(kind: Any) -> bool:
    return bool(kind.is_numeric() or kind == pl.Null)


_TAKES: dict[Kind, Callable[[Any], bool]] = {
    "text": lambda kind: (
        kind.is_integer() or kind in (pl.String, pl.Categorical, pl.Boolean, pl.Null) or isinstance(kind, pl.Enum)
    ),
    "integer": lambda kind: kind.is_integer() or kind == pl.Null,
    "number": _is_number,
    "time": lambda kind: (isinstance(kind, pl.Datetime) and kind.time_zone is not None) or kind == pl.Null,
    "vector": lambda kind: (isinstance(kind, pl.List | pl.Array) and _is_number(kind.inner)) or kind == pl.Null,
}


def _no_nulls(found: pl.Series, kind: Kind) -> None:
    for row in found.is_null().arg_true():
        raise Wrong(row, "null", EXPECTED[kind])


def _numbers(found: pl.Series, kind: Kind) -> pl.Series:
    """Integers that every technology holds exactly, or finite numbers."""
    numbers = found
    if found.dtype.is_integer():
        numbers = found.cast(pl.Int64, strict=False)  # null where it is too small for one of another width
        for row in (numbers.is_null() | (numbers > EXACT) | (numbers < -EXACT)).arg_true():
            raise Wrong(row, shown(found[row]), EXPECTED["integer"])
    if kind == "integer":
        return numbers.cast(pl.Int64)
    numbers = numbers.cast(pl.Float64)
    for row in (~numbers.is_finite()).arg_true():
        raise Wrong(row, shown(found[row]), EXPECTED[kind])
    return numbers


def _vectors(found: pl.Series) -> pl.Series:
    """Lists of finite numbers; how long they are is looked at later."""
    numbers = found.explode(empty_as_null=False) if found.len() else found
    if numbers.null_count() or not numbers.cast(pl.Float64).is_finite().all():
        for row, vector in enumerate(found):
            if vector.null_count() or not vector.cast(pl.Float64).is_finite().all():
                raise Wrong(row, shown(vector), EXPECTED["vector"])
    return found


def _lists(found: Sequence[list[Any]]) -> pl.Series:
    numbers = []
    for row, vector in enumerate(found):
        try:
            if set(map(type, vector)) <= {int, float}:
                numbers.append(list(map(float, vector)))
                continue
        except OverflowError:
            pass  # an integer of hundreds of digits
        raise Wrong(row, shown(vector), EXPECTED["vector"])
    return pl.Series(values=numbers, dtype=pl.List(pl.Float64))


def _parsed(cells: pl.Series) -> Any:
    for row, cell in enumerate(cells):
        try:
            yield _VECTOR.decode(cell)
        except msgspec.MsgspecError:
            raise Wrong(row, shown(cell), f"{EXPECTED['vector']}, such as [0.5, -1]") from None


def _times(texts: Sequence[str]) -> pl.Series:
    found = []
    for row, text in enumerate(texts):
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            raise Wrong(row, shown(text), EXPECTED["time"]) from None
        if at.tzinfo is None:
            raise Wrong(row, shown(text), EXPECTED["time"])
        found.append(at)
    return pl.Series(values=found, dtype=pl.Datetime("us", "UTC"))
