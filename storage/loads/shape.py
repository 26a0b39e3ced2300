"""What a file must look like for each format, and its rows as writes. Pure.

ranking     key, member, score; besides, where scores decay: at, when a score was so
counters    key, field, value
records     a column with the key, and the fields of the record
vectors     key, vector
documents   key, and the fields of the document
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from schemas import MalformedEvent
from schemas.avro import resolved
from schemas.datum_writer import datum_writer
from storage.address import Address
from storage.descriptor import Descriptor
from storage.errors import FileRefused
from storage.formats.decay import HALF_LIVES
from storage.formats.document_row import row_of
from storage.formats.vector_row import rows_of
from storage.loads.column import Kind
from storage.loads.file import LoadFile
from storage.loads.piece import JsonPiece, Piece
from storage.writes import Writes

AHEAD = timedelta(days=1)
"""So much may a score's time lie after the load's: clocks differ, as for events."""
ROW, EARLIER = "\0row", "\0earlier"
Columns = Mapping[str, Kind | None]
"""What each column holds; None = anything, which the schema says."""


@dataclass(frozen=True)
class Shape:
    """What the rows of a file are.

    Attributes:
        columns: those that there must be.
        may: others that there may be.
        tell: gives of a piece what tells one row from all others.
        fill: makes writes of a piece whose columns are there. Raises FileRefused, which names row and column. Of rows
            that are not told apart one is left.
    """

    columns: Columns
    tell: Callable[[Piece], pl.DataFrame]
    fill: Callable[[Piece], Writes]
    may: frozenset[str] = frozenset()

    def must_fit(self, file: LoadFile) -> None:
        """Raise FileRefused where a column is missing, or is there that has no place."""
        if file.columns is None:
            return
        wanted = [*self.columns, *sorted(self.may)]
        there = ", ".join(map(repr, file.columns)) or "none"
        for name in self.columns:
            if name not in file.columns:
                raise FileRefused(
                    f"{file.name}: the column {name!r} is missing; it has {there}, expected {', '.join(wanted)}."
                )
        for name in file.columns:
            if name not in wanted:
                raise FileRefused(
                    f"{file.name}: the column {name!r} has no place here; expected {', '.join(wanted)}. Leave it out."
                )

    def writes(self, piece: Piece) -> Writes:
        """A piece as writes.

        Raises:
            FileRefused: a value is not what it should be, or two rows are not told apart.
        """
        if isinstance(piece, JsonPiece):
            piece.must_have_only([*self.columns, *self.may])
        found = self.fill(piece)
        if found.items != piece.height:
            self._refuse_repeats(piece)
        return found

    def numbered(self, piece: Piece) -> pl.DataFrame:
        """What tells the rows of a piece apart, and where each is in the file."""
        return self.tell(piece).with_row_index(ROW, piece.first)

    def _refuse_repeats(self, piece: Piece) -> None:
        found = self.numbered(piece)
        again = first_again(found, found)
        if again is not None:
            raise repeated(piece, again, piece.place(again[EARLIER] - piece.first))


def first_again(rows: pl.DataFrame, earlier: pl.DataFrame) -> dict[str, Any] | None:
    """The first of these rows that was there before, and as what; None = none was. See `Shape.numbered`."""
    names = rows.columns[1:]
    firsts = earlier.rename({ROW: EARLIER}).unique(names, keep="first", maintain_order=True)  # else all meet all
    found = rows.join(firsts, on=names).filter(pl.col(EARLIER) < pl.col(ROW))
    return found.sort(ROW).row(0, named=True) if found.height else None


def repeated(piece: Piece, row: Mapping[str, Any], earlier: str) -> FileRefused:
    """The error for a row that is not told apart from an earlier one.

    Args:
        row: see `first_again`; it is in the piece.
        earlier: where that one is.
    """
    what = " and ".join(f"{name} {value!r}" for name, value in row.items() if name not in (ROW, EARLIER))
    where = piece.place(row[ROW] - piece.first)
    return FileRefused(f"{piece.file}, {where}: found {what} again, after {earlier}; a load writes each once.")


def shape_of(descriptor: Descriptor, key: str, now: datetime) -> Shape:
    """The shape of files for a storage.

    Args:
        key: the column with the keys of records and documents.
        now: scores of more than a day later are refused, where scores decay.
    """
    options, storage = descriptor.options, descriptor.storage
    match descriptor.format:
        case "ranking":
            return _ranking(storage, options.get("half_life_ms"), now + AHEAD)
        case "counters":
            columns: Columns = {"key": "text", "field": "text", "value": "integer"}
            return Shape(columns, _by(columns, 2), lambda piece: Writes(sums=dict(_rows(storage, piece, columns))))
        case "vectors":
            dimensions, metric = int(options["dimensions"]), str(options["metric"])
            columns = {"key": "text", "vector": "vector"}
            return Shape(columns, _by(columns, 1), lambda piece: _vectors(storage, piece, dimensions, metric))
        case "documents":
            return _documents(storage, tuple(options["fields"]), key)
        case _:
            return _records(storage, descriptor.schema or {}, key)


def _ranking(storage: str, half_life_ms: int | None, latest: datetime) -> Shape:
    columns: Columns = {"key": "text", "member": "text", "score": "number"}
    if not half_life_ms:
        return Shape(columns, _by(columns, 2), lambda piece: Writes(ranks=dict(_rows(storage, piece, columns))))
    return Shape(
        {**columns, "at": "time"},
        lambda piece: _stored(piece, half_life_ms, latest).select("key", "member", "bucket"),
        lambda piece: _decayed(storage, piece, half_life_ms, latest),
    )


def _rows(storage: str, piece: Piece, columns: Columns) -> Iterator[tuple[Address, dict[str, Any]]]:
    """The second and third column, by the first."""
    for key, items, values in _frame(piece, columns).group_by("key", maintain_order=True).agg(pl.all()).iter_rows():
        yield Address(storage, key), dict(zip(items, values, strict=True))


def _stored(piece: Piece, half_life_ms: int, latest: datetime) -> pl.DataFrame:
    """Scores as they were at their times, as they are added to their buckets; see `decay.py`."""
    span, half_life = HALF_LIVES * half_life_ms * 1000, half_life_ms * 1000
    frame = _frame(piece, {"key": "text", "member": "text", "score": "number", "at": "time"})
    for row in (frame["at"] > latest).arg_true():  # the newest time is what all others are looked at from
        raise piece.refusal(row, "at", str(frame["at"][row]), f"a time that has come, or comes within {AHEAD.days} day")
    bucket = pl.col("at").floordiv(span)
    age = (pl.col("at") - bucket * span).cast(pl.Float64)
    grown = pl.col("score") * (age * (math.log(2) / half_life)).exp()
    stored = frame.with_columns(pl.col("at").dt.timestamp("us")).select(
        "key", "member", bucket.alias("bucket"), grown.alias("score"), "at"
    )
    for row in (~stored["score"].is_finite()).arg_true():
        raise piece.refusal(row, "score", str(frame["score"][row]), "a score that can grow for 32 half-lives")
    return stored


def _decayed(storage: str, piece: Piece, half_life_ms: int, latest: datetime) -> Writes:
    stored, writes = _stored(piece, half_life_ms, latest), Writes()
    grouped = stored.group_by("key", "bucket", maintain_order=True).agg("member", "score")
    for key, bucket, members, scores in grouped.iter_rows():
        writes.scores[Address(storage, key, bucket)] = dict(zip(members, scores, strict=True))
    newest = stored["at"].max()
    assert isinstance(newest, int)
    writes.see(storage, newest // 1000)
    return writes


def _vectors(storage: str, piece: Piece, dimensions: int, metric: str) -> Writes:
    keys, vectors = piece.column("key", "text"), piece.column("vector", "vector")
    for row in (vectors.list.len() != dimensions).arg_true():
        raise piece.refusal(row, "vector", f"{vectors.list.len()[row]} numbers", f"{dimensions}")
    numbers = vectors.explode().to_numpy().reshape(-1, dimensions)
    try:
        rows = rows_of(numbers, dimensions, metric)
    except ValueError:
        raise _no_vector(piece, numbers, dimensions, metric) from None
    return _puts(storage, keys, (row.tobytes() for row in rows))


def _no_vector(piece: Piece, numbers: npt.NDArray[np.generic], dimensions: int, metric: str) -> FileRefused:
    for row, vector in enumerate(numbers):
        try:
            rows_of(vector[None, :], dimensions, metric)
        except ValueError as error:
            return piece.refusal(row, "vector", f"what cannot be held ({error})", f"a vector for the metric {metric}")
    raise AssertionError("one of them is refused")


def _records(storage: str, schema: Mapping[str, Any], key: str) -> Shape:
    fields = resolved(schema).fields
    needed = [field.name for field in fields if not field.has_default and field.type.optional is None]
    columns: Columns = {key: "text", **dict.fromkeys((name for name in needed if name != key), None)}
    encoder = datum_writer(schema)

    def rows(piece: Piece) -> Iterator[bytes]:
        for row, record in enumerate(piece.records(schema)):
            try:
                yield encoder.write(record, "the record")
            except MalformedEvent as error:
                raise piece.misfit(row, error) from None

    may = frozenset(field.name for field in fields) - columns.keys()
    return Shape(columns, _by(columns, 1), lambda piece: _puts(storage, piece.column(key, "text"), rows(piece)), may)


def _documents(storage: str, fields: Sequence[str], key: str) -> Shape:
    columns: Columns = {key: "text"}

    def rows(piece: Piece) -> Iterator[bytes]:
        for row, values in enumerate(piece.values()):
            try:
                yield row_of({name: value for name, value in values.items() if name in fields}, fields)
            except ValueError as error:
                raise piece.refusal(
                    row, None, f"what is no document, as {error}", "text, numbers, lists of texts"
                ) from None

    may = frozenset(fields) - columns.keys()
    return Shape(columns, _by(columns, 1), lambda piece: _puts(storage, piece.column(key, "text"), rows(piece)), may)


def _puts(storage: str, keys: pl.Series, rows: Iterable[bytes]) -> Writes:
    return Writes(puts=dict(zip((Address(storage, key) for key in keys.to_list()), rows, strict=True)))


def _by(columns: Columns, count: int) -> Callable[[Piece], pl.DataFrame]:
    """The first columns tell rows apart."""
    return lambda piece: _frame(piece, dict(list(columns.items())[:count]))


def _frame(piece: Piece, columns: Columns) -> pl.DataFrame:
    return pl.DataFrame([piece.column(name, kind or "text") for name, kind in columns.items()])
