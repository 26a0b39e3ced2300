"""A few rows of a file, with their places in it. Pure; `file.py` cuts files into pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import polars as pl

from schemas import MalformedEvent
from schemas.avro import Node, Schema, resolved
from schemas.json_value import read_json
from storage.errors import FileRefused
from storage.loads.column import Kind, Wrong, of_json, of_series, of_text, shown
from storage.loads.records import avro_rows

Place = Callable[[int], str]
"""Where a row of the file is, for people: "line 17" or "row 16"; rows are counted from 0."""
Values = Mapping[str, Any]


class Piece:
    """Rows that follow one another.

    Args:
        file: its name, for messages.
        first: how many rows of the file come before.
        place: of the file's rows.
    """

    height: int

    def __init__(self, file: str, first: int, place: Place) -> None:
        self.file, self.first, self._place = file, first, place

    def column(self, name: str, kind: Kind) -> pl.Series:
        """A column, every value of it what it should be; times as microseconds in UTC.

        Raises:
            FileRefused: there is none, or a row is not; it names the first that is not.
        """
        try:
            return self._column(name, kind).alias(name)
        except Wrong as wrong:
            raise self.refusal(wrong.row, name, wrong.found, wrong.expected) from None

    def records(self, schema: Schema) -> Iterator[Values]:
        """Rows as Avro writes them by a schema, whose fields are columns.

        Raises:
            FileRefused: a row does not fit; it names the row and the field.
        """
        raise NotImplementedError

    def values(self) -> Iterator[Values]:
        """Rows as they are, by column."""
        raise NotImplementedError

    def sample(self) -> pl.DataFrame:
        """The rows as a frame with types, to say what a schema is that is given nowhere.

        Raises:
            FileRefused: a column has values of several types.
        """
        raise NotImplementedError

    def place(self, row: int) -> str:
        """Where a row is, of those of this piece counted from 0."""
        return self._place(self.first + row)

    def refusal(self, row: int, column: str | None, found: str, expected: str) -> FileRefused:
        """The error for one value."""
        where = f"{self.place(row)}{'' if column is None else f', column {column!r}'}"
        return FileRefused(f"{self.file}, {where}: found {found}, expected {expected}.")

    def misfit(self, row: int, error: MalformedEvent) -> FileRefused:
        """The error for a record that does not fit its schema."""
        return FileRefused(f"{self.file}, {self.place(row)}: {error}")

    def _column(self, name: str, kind: Kind) -> pl.Series:
        raise NotImplementedError


class FramePiece(Piece):
    """Of a file whose columns have types."""

    def __init__(self, file: str, first: int, place: Place, frame: pl.DataFrame) -> None:
        super().__init__(file, first, place)
        self.frame, self.height = frame, frame.height

    def records(self, schema: Schema) -> Iterator[Values]:
        """See `Piece.records`."""
        try:
            return avro_rows(self.frame, schema)
        except Wrong as wrong:
            raise self.refusal(wrong.row, wrong.column, wrong.found, wrong.expected) from None

    def values(self) -> Iterator[Values]:
        """See `Piece.values`."""
        return self.frame.iter_rows(named=True)

    def sample(self) -> pl.DataFrame:
        """See `Piece.sample`."""
        return self.frame

    def _column(self, name: str, kind: Kind) -> pl.Series:
        return of_series(self.named(name), kind)

    def named(self, name: str) -> pl.Series:
        """A column as the file has it. Raises FileRefused where there is none."""
        if name not in self.frame.columns:
            there = ", ".join(map(repr, self.frame.columns))
            raise FileRefused(f"{self.file}: the column {name!r} is missing; it has {there}.")
        return self.frame[name]


class TextPiece(FramePiece):
    """Of a file that has only text, empty cells being null."""

    def records(self, schema: Schema) -> Iterator[Values]:
        """See `Piece.records`."""
        fields = {field.name: field.type for field in resolved(schema).fields if field.name in self.frame.columns}
        for row, cells in enumerate(self.frame.select(list(fields)).iter_rows(named=True)):
            try:
                values = {name: _json_of(cell, fields[name]) for name, cell in cells.items()}
                yield read_json(values, resolved(schema), "")
            except MalformedEvent as error:
                raise self.misfit(row, error) from None

    def sample(self) -> pl.DataFrame:
        """See `Piece.sample`."""
        return self.frame.select(_guessed(column) for column in self.frame)

    def _column(self, name: str, kind: Kind) -> pl.Series:
        return of_text(self.named(name), kind)


class JsonPiece(Piece):
    """Of a file with a JSON object in each line."""

    def __init__(self, file: str, first: int, place: Place, rows: Sequence[Values]) -> None:
        super().__init__(file, first, place)
        self.rows, self.height = rows, len(rows)

    def must_have_only(self, columns: Sequence[str]) -> None:
        """Raise FileRefused for a row with another field."""
        for number, row in enumerate(self.rows):
            if len(row) > len(columns) or not row.keys() <= set(columns):
                other = next(name for name in row if name not in columns)
                raise self.refusal(number, other, shown(row[other]), f"only {', '.join(columns)}")

    def records(self, schema: Schema) -> Iterator[Values]:
        """See `Piece.records`."""
        node = resolved(schema)
        names = {field.name for field in node.fields}
        for number, row in enumerate(self.rows):
            try:
                yield read_json({name: value for name, value in row.items() if name in names}, node, "")
            except MalformedEvent as error:
                raise self.misfit(number, error) from None

    def values(self) -> Iterator[Values]:
        """See `Piece.values`."""
        return iter(self.rows)

    def sample(self) -> pl.DataFrame:
        """See `Piece.sample`."""
        try:
            return pl.DataFrame(self.rows, infer_schema_length=None)
        except (pl.exceptions.PolarsError, TypeError, OverflowError) as error:
            raise FileRefused(f"{self.file}: a field has values of several types ({error}); give --schema.") from error

    def _column(self, name: str, kind: Kind) -> pl.Series:
        return of_json([row.get(name) for row in self.rows], kind)


def _guessed(cells: pl.Series) -> pl.Series:
    """Text as integers, numbers or truth values where all of it is."""
    present = cells.drop_nulls()
    for kind in (pl.Int64, pl.Float64):
        if present.len() and not present.cast(kind, strict=False).null_count():
            return cells.cast(kind)
    if present.len() and present.is_in(["true", "false"]).all():
        return cells == "true"
    return cells


def _json_of(cell: str | None, node: Node) -> Any:
    """A cell as the JSON value that its field takes; as text where it is none, so that the check says what is wrong."""
    kind = node.optional or node
    if cell is None:
        return "" if node.kind == "string" else None
    if kind.kind in ("string", "enum", "bytes", "fixed"):
        return cell
    try:
        return msgspec.json.decode(cell)
    except msgspec.MsgspecError:
        return cell
