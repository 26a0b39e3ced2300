"""Lines of text of a bounded length, counted from 1, as editors do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, AnyStr

from storage.errors import FileRefused
from storage.loads.file import LONGEST


def lines_of(file: IO[AnyStr], name: str) -> Iterator[AnyStr]:
    """The lines of an open file, with what ends them.

    Raises:
        FileRefused: one is longer than `LONGEST`; no more than that of it is read.
    """
    number = 0
    while line := file.readline(LONGEST + 1):
        number += 1
        if len(line) > LONGEST:
            raise FileRefused(f"{name}, line {number}: it is longer than {LONGEST >> 20} MiB.")
        yield line


def not_utf8(path: Path) -> FileRefused:
    """The error for a file that has other bytes somewhere."""
    with path.open("rb") as file, suppress(FileRefused):
        for number, line in enumerate(lines_of(file, path.name), 1):
            with suppress(UnicodeDecodeError):
                line.decode()
                continue
            return FileRefused(f"{path.name}, line {number}: found bytes that are no UTF-8; write the file in UTF-8.")
    return FileRefused(f"{path.name} is no UTF-8.")
