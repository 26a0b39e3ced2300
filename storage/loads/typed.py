"""Rows of a file as a frame of given types, in which anything may be missing; and which types a file's first rows have.
Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

import polars as pl

from storage.errors import FileRefused
from storage.loads.column import Wrong, shown
from storage.loads.piece import FramePiece, JsonPiece, Piece, TextPiece

TIME = pl.Datetime("us", "UTC")
KINDS: Mapping[str, pl.DataType] = {
    "text": pl.String(),
    "integer": pl.Int64(),
    "number": pl.Float64(),
    "boolean": pl.Boolean(),
    "time": TIME,
    "date": pl.Date(),
}
"""What people call the types that every kind of file has."""
_EXPECTED: Mapping[pl.DataType, str] = {
    pl.String(): "a text",
    pl.Int64(): "an integer of 64 bits",
    pl.Float64(): "a finite number",
    pl.Boolean(): "true or false",
    TIME: "a time with its zone, such as 2026-01-31T12:00:00Z",
    pl.Date(): "a day, such as 2026-01-31",
}
_JSON: Mapping[pl.DataType, tuple[type, ...]] = {
    pl.String(): (str, int),
    pl.Int64(): (int,),
    pl.Float64(): (int, float),
    pl.Boolean(): (bool,),
    TIME: (str,),
    pl.Date(): (str,),
}


def typed(piece: Piece, columns: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """The rows with these columns, each in its type; an empty cell of a CSV file, and a field that a JSON object does
    not have, are null.

    Raises:
        FileRefused: a column is missing, or a value does not fit; it names the first row that does not.
    """
    found = []
    for name, kind in columns.items():
        try:
            found.append(_column(piece, name, kind).alias(name))
        except Wrong as wrong:
            raise piece.refusal(wrong.row, name, wrong.found, wrong.expected) from None
    return pl.DataFrame(found)


def types_of(piece: Piece) -> dict[str, pl.DataType]:
    """The types in which a file's columns are kept, by its first rows: integers and floating-point numbers wide, times
    in microseconds. What is null in all of them is text.

    Raises:
        FileRefused: a column has values of several types, or a type that no table keeps.
    """
    if not isinstance(piece, JsonPiece):
        return {column.name: _kept(piece.file, column.name, column.dtype) for column in piece.sample()}
    names = dict.fromkeys(name for row in piece.rows for name in row)
    return {name: _kept(piece.file, name, _of_objects(piece, name).dtype) for name in names}


def named(kind: pl.DataType) -> str:
    """A type in the words in which it is declared; in polars' where it has none."""
    return next((name for name, known in KINDS.items() if known == kind), str(kind))


def _of_objects(piece: JsonPiece, name: str) -> pl.Series:
    values = [row.get(name) for row in piece.rows]
    try:
        return pl.Series(name, values, strict=not set(map(type, values)) <= {int, float, type(None)})
    except (pl.exceptions.PolarsError, TypeError, OverflowError) as error:
        raise FileRefused(f"{piece.file}: the field {name!r} has values of several types; declare its type.") from error


def _kept(file: str, name: str, found: Any) -> pl.DataType:
    kind: pl.DataType = found() if isinstance(found, type) else found
    if isinstance(kind, pl.Struct):
        return pl.Struct({field.name: _kept(file, name, field.dtype) for field in kind.fields})
    if isinstance(kind, pl.List | pl.Array):
        return pl.List(_kept(file, name, kind.inner))
    if isinstance(kind, pl.Datetime):
        return pl.Datetime("us", None if kind.time_zone is None else "UTC")
    if kind.is_integer():
        return pl.Int64()
    if kind.is_float():
        return pl.Float64()
    if isinstance(kind, pl.Null | pl.Categorical | pl.Enum):
        return pl.String()
    if isinstance(kind, pl.Duration | pl.Time) or kind == pl.Object:
        raise FileRefused(f"{file}: the column {name!r} has {kind}, which no table keeps; give it as text or a number.")
    return kind


def _column(piece: Piece, name: str, kind: pl.DataType) -> pl.Series:
    if isinstance(piece, JsonPiece):
        return _of_json([row.get(name) for row in piece.rows], kind)
    assert isinstance(piece, FramePiece)
    found = piece.named(name)
    return _of_text(found, kind) if isinstance(piece, TextPiece) else _of_series(found, kind)


def _of_series(found: pl.Series, kind: pl.DataType) -> pl.Series:
    if found.dtype == kind:
        return found
    wide = kind.is_float() and found.dtype.is_integer()
    if not wide and found.dtype != pl.Null and _kept("", found.name, found.dtype) != kind:
        row = next(iter(found.is_not_null().arg_true()), 0)
        raise Wrong(row, f"{shown(found[row])}, as the column has {found.dtype}", _said(kind))
    return _fitting(found, found.cast(kind, strict=False), kind)


def _of_text(found: pl.Series, kind: pl.DataType) -> pl.Series:
    if kind == pl.String:
        return found
    if kind == TIME:
        return pl.Series([_time(row, text) for row, text in enumerate(found)], dtype=TIME)
    if kind == pl.Date:
        return pl.Series([_day(row, text) for row, text in enumerate(found)], dtype=pl.Date)
    if kind == pl.Boolean:
        lower = found.str.to_lowercase()
        return _fitting(found, lower.replace_strict({"true": True, "false": False}, default=None), kind)
    if kind not in (pl.Int64, pl.Float64):
        raise Wrong(0, "text, as all of CSV is", _said(kind))
    return _fitting(found, found.cast(kind, strict=False), kind, finite=True)


def _of_json(found: Sequence[Any], kind: pl.DataType) -> pl.Series:
    allowed = (*_JSON.get(kind, (object,)), type(None))
    if object not in allowed and not set(map(type, found)) <= set(allowed):
        row = next(row for row, value in enumerate(found) if type(value) not in allowed)
        raise Wrong(row, shown(found[row]), _said(kind))
    if kind == TIME:
        return pl.Series([_time(row, text) for row, text in enumerate(found)], dtype=TIME)
    if kind == pl.Date:
        return pl.Series([_day(row, text) for row, text in enumerate(found)], dtype=pl.Date)
    if kind == pl.String:
        return pl.Series([None if value is None else str(value) for value in found], dtype=pl.String)
    try:
        return pl.Series(found, dtype=kind, strict=kind != pl.Float64)
    except (pl.exceptions.PolarsError, TypeError, OverflowError):
        for row, value in enumerate(found):
            try:
                pl.Series([value], dtype=kind, strict=True)
            except (pl.exceptions.PolarsError, TypeError, OverflowError):
                raise Wrong(row, shown(value), _said(kind)) from None
        raise


def _fitting(found: pl.Series, fitted: pl.Series, kind: pl.DataType, finite: bool = False) -> pl.Series:
    """Raise Wrong for the first value that the other type does not have."""
    lost = fitted.is_null() & found.is_not_null()
    if finite and kind.is_float():
        lost |= ~fitted.is_finite().fill_null(True)
    for row in lost.arg_true():
        raise Wrong(row, shown(found[row]), _said(kind))
    return fitted


def _time(row: int, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
        if found.tzinfo is not None:
            return found
    except ValueError:
        pass
    raise Wrong(row, shown(text), _said(TIME))


def _day(row: int, text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        raise Wrong(row, shown(text), _said(pl.Date())) from None


def _said(kind: pl.DataType) -> str:
    return f"{_EXPECTED.get(kind, str(kind))}, or nothing"
