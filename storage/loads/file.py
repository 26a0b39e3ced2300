"""What all files have in common that may be loaded.

They are read piece by piece, each bounded in rows and bytes, so that memory is bounded by a piece whatever the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from storage.errors import FileRefused
from storage.loads.piece import Piece

ROWS, BYTES = 50_000, 4 << 20
"""The most of one piece."""
LONGEST = 4 << 20
"""Bytes of the longest line, or row, of text."""


class LoadFile:
    """One file. Reading may begin anew any number of times.

    Attributes:
        name: for messages.
        kind: what it is, in words.
        columns: their names; None where each row says its own.
        optional: columns that are known to have nulls.
        read: the part of the newest reading that is done, from 0 to 1.
    """

    kind: ClassVar[str]

    def __init__(self, path: Path) -> None:
        self.path, self.name = path, path.name
        self.columns: list[str] | None = None
        self.optional: frozenset[str] = frozenset()
        self.read = 0.0
        self._state = _state(path)

    def must_be_unchanged(self) -> None:
        """Raise FileRefused where the path is another file by now, or this one was written to."""
        if _state(self.path) != self._state:
            raise FileRefused(
                f"{self.name} was changed while it was loaded, so nothing of it was; load it again once it is complete."
            )

    def pieces(self) -> Iterator[Piece]:
        """The rows, in order; no piece is empty.

        Raises:
            FileRefused: it is damaged, or not what it seems; names the row where that can be said.
        """
        raise NotImplementedError

    @contextmanager
    def _readable(self) -> Iterator[None]:
        """Says what reading fails with in words."""
        try:
            yield
        except FileRefused:
            raise
        except (OSError, ValueError) as error:  # Arrow's errors are ValueErrors, or OSErrors
            why = " ".join(str(error).split()).rstrip(".")
            raise FileRefused(
                f"{self.name} cannot be read as {self.kind}: {why}. Is it cut off, or damaged? Write it again."
            ) from error


def _state(path: Path) -> tuple[int, int, int, int] | None:
    """Which file it is, how long, and when it was written; None = it is gone."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
