"""CSV and NDJSON files as pieces. Lines are counted from 1, as editors do."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pyarrow as pa
import pyarrow.csv as pc

from storage.errors import FileRefused
from storage.load_columnar import parts
from storage.load_file import BYTES, LONGEST, ROWS, LoadFile
from storage.load_piece import JsonPiece, TextPiece


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
            raise FileRefused(f"{self.name}, line 1: {error}; is a quote missing?") from error
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
        columns = self.columns or []
        with pa.OSFile(str(self.path)) as file:
            reader = pc.open_csv(
                file,
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
                self.read = file.tell() / max(1, file.size())

    def _records(self) -> Iterator[tuple[int, list[str]]]:
        """The line in which each record begins, and its cells. Slow: to say where something is wrong."""
        with self.path.open(encoding="utf-8-sig", newline="") as file:
            reader, line = csv.reader(file, strict=True), 1
            for record in reader:
                if record:
                    yield line, record
                line = reader.line_num + 1

    def _line(self, row: int) -> str:
        for number, (line, _) in enumerate(self._records()):
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
        except UnicodeDecodeError:
            return not_utf8(self.path)
        except csv.Error as problem:
            return FileRefused(f"{self.name}, after line {line}: {problem}; is a quote missing?")
        return FileRefused(f"{self.name} cannot be read as CSV: {' '.join(str(error).split())}.")


class NdjsonFile(LoadFile):
    """One JSON object a line; empty lines count and hold nothing."""

    kind = "NDJSON"

    def pieces(self) -> Iterator[JsonPiece]:
        """See `LoadFile.pieces`."""
        first, decode = 0, msgspec.json.Decoder(dict[str, Any]).decode
        for numbers, lines in self._lines():
            rows = []
            for number, line in zip(numbers, lines, strict=True):
                try:
                    rows.append(decode(line))
                except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                    raise self._no_object(number, error) from error
            yield JsonPiece(self.name, first, _Lines(first, numbers), rows)
            first += len(rows)

    def _lines(self) -> Iterator[tuple[list[int], list[bytes]]]:
        """Some lines at a time, with their numbers."""
        numbers: list[int] = []
        lines: list[bytes] = []
        size, number = 0, 0
        with self._readable(), self.path.open("rb") as file:
            total = max(1, self.path.stat().st_size)
            while line := file.readline(LONGEST + 1):
                number += 1
                if len(line) > LONGEST:
                    raise FileRefused(f"{self.name}, line {number}: it is longer than {LONGEST >> 20} MiB.")
                if line.isspace():
                    continue
                numbers.append(number)
                lines.append(line)
                size += len(line)
                if len(lines) == ROWS or size > BYTES:
                    self.read = file.tell() / total
                    yield numbers, lines
                    numbers, lines, size = [], [], 0
        if lines:
            yield numbers, lines

    def _no_object(self, line: int, error: Exception) -> FileRefused:
        if isinstance(error, UnicodeDecodeError):
            return FileRefused(f"{self.name}, line {line}: found bytes that are no UTF-8, expected a JSON object.")
        return FileRefused(f"{self.name}, line {line}: found no JSON object ({error}), expected one in each line.")


class _Lines:
    """Where rows are, for a piece that knows its own."""

    def __init__(self, first: int, numbers: Sequence[int]) -> None:
        self._first, self._numbers = first, numbers

    def __call__(self, row: int) -> str:
        return f"line {self._numbers[row - self._first]}"


def not_utf8(path: Path) -> FileRefused:
    """The error for a file that has other bytes somewhere."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            with suppress(UnicodeDecodeError):
                line.decode()
                continue
            return FileRefused(f"{path.name}, line {number}: found bytes that are no UTF-8; write the file in UTF-8.")
    return FileRefused(f"{path.name} is no UTF-8.")
