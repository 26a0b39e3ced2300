"""NDJSON files as pieces. Lines are counted from 1, as editors do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from schemas.repeated_key import repeated_key
from storage.errors import FileRefused
from storage.loads.file import BYTES, ROWS, LoadFile
from storage.loads.lines import lines_of
from storage.loads.piece import JsonPiece

DEEPEST = 32
"""Objects and lists within one another; what they hold becomes columns, whose types are as deep."""


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
                    rows.append(row := decode(line))
                except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                    raise self._no_object(number, error) from error
                if line.count(b"[") + line.count(b"{") > DEEPEST and _depth(row) > DEEPEST:
                    raise FileRefused(f"{self.name}, line {number}: it is nested more than {DEEPEST} deep.")
                if line.count(b":") != (len(row) if line.count(b"{") == 1 else _members(row)):
                    self._refuse_repeats(number, line)
            yield JsonPiece(self.name, first, _Lines(first, numbers), rows)
            first += len(rows)

    def _lines(self) -> Iterator[tuple[list[int], list[bytes]]]:
        """Some lines at a time, with their numbers."""
        numbers: list[int] = []
        lines: list[bytes] = []
        size = 0
        with self._readable(), self.path.open("rb") as file:
            total = max(1, self.path.stat().st_size)
            for number, line in enumerate(lines_of(file, self.name), 1):
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

    def _refuse_repeats(self, number: int, line: bytes) -> None:
        """Raise FileRefused for a line that has a key twice in one object: nobody can tell which value is meant. A line
        with as many colons as members has none, and need not be looked at."""
        if (key := repeated_key(line.decode())) is not None:
            raise FileRefused(f"{self.name}, line {number}: found the key {key!r:.80} twice in one object.")

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


def _members(value: Any) -> int:
    """How many members all objects have."""
    if isinstance(value, dict):
        return len(value) + sum(map(_members, value.values()))
    return sum(map(_members, value)) if isinstance(value, list) else 0


def _depth(value: Any) -> int:
    """How many objects and lists are within one another."""
    deepest, level = 0, [value]
    while level := [one for one in level if isinstance(one, dict | list)]:
        deepest += 1
        level = [inner for one in level for inner in (one.values() if isinstance(one, dict) else one)]
    return deepest
