"""CSV files as pieces. Lines are counted from 1, as editors do."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.csv as pc

from storage.errors import FileRefused
from storage.loads.columnar import parts
from storage.loads.file import LONGEST, LoadFile
from storage.loads.lines import lines_of, not_utf8
from storage.loads.piece import TextPiece

_QUOTE = ord('"')
_BESIDE = np.isin(np.arange(256), list(b',\r\n"'))
"""Bytes that may stand before an opening quote, and behind a closing one."""


class CsvFile(LoadFile):
    """As RFC 4180 has it: a header, commas, quotes around what holds commas, quotes or line breaks; UTF-8."""

    kind = "CSV"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        try:
            header = next(self._records(), (1, []))[1]
        except UnicodeDecodeError as error:
            raise not_utf8(path) from error
        except csv.Error as error:
            raise self._broken("line 1", error) from error
        self.columns = header
        if len(set(header)) < len(header):
            raise FileRefused(f"{self.name}, line 1: a column is named twice; there are {', '.join(header)}.")

    def pieces(self) -> Iterator[TextPiece]:
        """See `LoadFile.pieces`."""
        first = 0
        try:
            for batch in self._batches():
                for part in parts(batch):
                    yield TextPiece(self.name, first, self._line, pl.DataFrame(pl.from_arrow(part)))
                    first += part.num_rows
        except pa.ArrowInvalid as error:
            raise self._damage(error) from error

    def _batches(self) -> Iterator[pa.RecordBatch]:
        columns, total = self.columns or [], max(1, self.path.stat().st_size)
        with self.path.open("rb", buffering=0) as file:
            watched = _Watched(file)
            reader = pc.open_csv(
                pa.PythonFile(watched, "r"),
                pc.ReadOptions(block_size=LONGEST),
                pc.ParseOptions(newlines_in_values=True),
                pc.ConvertOptions(
                    column_types=dict.fromkeys(columns, pa.string()),
                    null_values=[""],
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=False,
                ),
            )
            for batch in reader:
                yield batch
                self.read = file.tell() / total
        if watched.loose_quote:
            self._must_be_quoted()

    def _must_be_quoted(self) -> None:
        """Raise FileRefused for a cell such as `"a"b`, of which the fast reader makes `ab`."""
        line = 0
        try:
            for begin, _ in self._records():
                line = begin
        except csv.Error as error:
            raise self._broken(f"after line {line}", error) from error

    def _records(self, strict: bool = True) -> Iterator[tuple[int, list[str]]]:
        """The line in which each record begins, and its cells. Slow: to say where something is wrong."""
        csv.field_size_limit(LONGEST)  # of the process; it is 128 KiB, less than a cell may have here
        with self.path.open(encoding="utf-8-sig", newline="") as file:
            reader, line = csv.reader(lines_of(file, self.name), strict=strict), 1
            for record in reader:
                if record:
                    yield line, record
                line = reader.line_num + 1

    def _line(self, row: int) -> str:
        with suppress(csv.Error, UnicodeDecodeError, FileRefused):  # this row is named because something is wrong
            for number, (line, _) in enumerate(self._records(strict=False)):
                if number == row + 1:
                    return f"line {line}"
        return f"row {row + 1}"

    def _damage(self, error: Exception) -> FileRefused:
        """Looks for what the fast reader has stumbled over."""
        line, wanted = 0, len(self.columns or ())
        try:
            for line, record in self._records():
                if len(record) != wanted:
                    return FileRefused(f"{self.name}, line {line}: found {len(record)} columns, expected {wanted}.")
                if sum(map(len, record)) > LONGEST:
                    return FileRefused(f"{self.name}, line {line}: the record is longer than {LONGEST >> 20} MiB.")
        except UnicodeDecodeError:
            return not_utf8(self.path)
        except csv.Error as problem:
            return self._broken(f"after line {line}", problem)
        return FileRefused(f"{self.name} cannot be read as CSV: {' '.join(str(error).split())}.")

    def _broken(self, where: str, problem: csv.Error) -> FileRefused:
        hint = "is a quote missing? A quote within quotes is written twice."
        return FileRefused(f"{self.name}, {where}: {problem}; {hint}")


class _Watched:
    """A file for the fast reader, which takes quotes that RFC 4180 does not.

    Attributes:
        closed: as a file has it.
        loose_quote: whether one was read that may be wrong.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._last, self._quotes = file, b"\n", 0
        self.closed, self.loose_quote = False, False

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        found = self._file.read(size)
        if not self.loose_quote:
            self._look(self._last + found)
        return found

    def _look(self, text: bytes) -> None:
        """Every other quote opens a cell. The first byte was looked at before, the last one will be."""
        self._last, found = text[-2:], np.frombuffer(text, np.uint8)
        quotes = np.flatnonzero(found[1:-1] == _QUOTE) + 1
        opening = (np.arange(len(quotes)) + self._quotes) % 2 == 0
        self._quotes += len(quotes)
        self.loose_quote = not _BESIDE[np.where(opening, found[quotes - 1], found[quotes + 1])].all()

    def close(self) -> None:
        """Whoever opened the file closes it."""
        self.closed = True
