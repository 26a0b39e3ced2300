"""Columns of a learner's frame as the parts of rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import polars as pl

from storage.errors import WriteRefused


def text_column(frame: pl.DataFrame, column: str, storage: str) -> pl.Series:
    """A column as text: keys, members, fields.

    Raises:
        WriteRefused: there is no such column, it has nulls, or values that make no key.
    """
    found = _column(frame, column, storage)
    if found.dtype == pl.String:
        return found
    if found.dtype.is_integer() or found.dtype in (pl.Boolean, pl.Categorical) or isinstance(found.dtype, pl.Enum):
        return found.cast(pl.String)
    raise WriteRefused(f"{storage}: the column {column!r} has {found.dtype}; a key or member is a text or an integer.")


def integer_column(frame: pl.DataFrame, column: str, storage: str) -> pl.Series:
    """A column as integers to be summed; their sum cannot overflow.

    Raises:
        WriteRefused: there is no such column, or it has nulls, what is no integer, or integers too large together.
    """
    found = _column(frame, column, storage)
    if not found.dtype.is_integer():
        raise WriteRefused(f"{storage} counts integers, and the column {column!r} has {found.dtype}.")
    least, most = found.min(), found.max()
    if isinstance(least, int) and isinstance(most, int) and max(-least, most) * found.len() >= 2**63:
        raise WriteRefused(f"{storage}: the sum of the column {column!r} may pass 64 bits.")
    return found.cast(pl.Int64)


def number_column(frame: pl.DataFrame, column: str, storage: str) -> pl.Series:
    """A column as floating-point numbers: weights, scores.

    Raises:
        WriteRefused: there is no such column, or it has nulls, NaN, infinities or what is no number.
    """
    found = _column(frame, column, storage)
    if not found.dtype.is_numeric():
        raise WriteRefused(f"{storage}: the column {column!r} has {found.dtype}, no numbers.")
    numbers = found.cast(pl.Float64)
    if not numbers.is_finite().all():
        raise WriteRefused(f"{storage}: the column {column!r} has NaN or infinite values; leave these rows out.")
    return numbers


def time_column(frame: pl.DataFrame, column: str, storage: str) -> pl.Series:
    """A column of times as microseconds since 1970.

    Raises:
        WriteRefused: there is no such column, or it has nulls or what is no time.
    """
    return _time(frame, column, storage).dt.timestamp("us")


def plain_times(frame: pl.DataFrame, column: str, storage: str) -> list[datetime]:
    """The same for a few rows: as Python's times, in UTC."""
    found = _time(frame, column, storage).to_list()
    return [at if at.tzinfo is not None else at.replace(tzinfo=UTC) for at in found]


def vector_column(
    frame: pl.DataFrame, column: str, dimensions: int, storage: str
) -> npt.NDArray[np.float32 | np.float64]:
    """A column of lists or arrays of numbers as a matrix, one of them a row; whether they are finite is not looked at.

    Raises:
        WriteRefused: there is no such column, it has nulls, what is no list of numbers, or a list of another length.
    """
    found = _column(frame, column, storage)
    if not isinstance(found.dtype, pl.List | pl.Array) or not found.dtype.inner.is_numeric():
        raise WriteRefused(f"{storage}: the column {column!r} has {found.dtype}, no lists of numbers.")
    lists = found.arr.to_list() if isinstance(found.dtype, pl.Array) else found
    lengths = lists.list.len()
    if not (lengths == dimensions).all():
        wrong = lengths.filter(lengths != dimensions)[0]
        raise WriteRefused(
            f"{storage}: the column {column!r} has a vector of {wrong} numbers; {dimensions} were declared."
        )
    numbers = lists.explode()
    if numbers.null_count():
        raise WriteRefused(f"{storage}: the column {column!r} has vectors with nulls in them; leave these rows out.")
    return numbers.cast(pl.Float32 if numbers.dtype == pl.Float32 else pl.Float64).to_numpy().reshape(-1, dimensions)


def last_rows(frame: pl.DataFrame, key: str, columns: Sequence[str], storage: str) -> tuple[list[str], pl.DataFrame]:
    """The keys of a frame, and these columns of the last row of each.

    Raises:
        WriteRefused: the key's column makes no keys, or a column is missing.
    """
    keys = text_column(frame, key, storage)
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise WriteRefused(f"{storage} needs the columns {', '.join(missing)}, which the frame lacks.")
    last = frame.select(columns).with_columns(keys.alias("\0key")).unique("\0key", keep="last", maintain_order=True)
    return last["\0key"].to_list(), last.drop("\0key")


def _time(frame: pl.DataFrame, column: str, storage: str) -> pl.Series:
    found = _column(frame, column, storage)
    if not isinstance(found.dtype, pl.Datetime):
        raise WriteRefused(f"{storage}: the column {column!r} has {found.dtype}, no times.")
    return found


def _column(frame: pl.DataFrame, column: str, storage: str) -> pl.Series:
    if column not in frame.columns:
        raise WriteRefused(f"{storage}: there is no column {column!r}; the frame has {', '.join(frame.columns)}.")
    found = frame[column]
    if found.null_count():
        raise WriteRefused(f"{storage}: the column {column!r} has {found.null_count()} nulls; leave these rows out.")
    return found
