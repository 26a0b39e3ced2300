"""What all files have in common that may be loaded.

They are read piece by piece, each bounded in rows and bytes, so that memory is bounded by a piece whatever the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from storage.errors import FileRefused
from storage.load_piece import Piece

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
        rows: how many it has; None where only reading it would tell.
        optional: columns that are known to have nulls.
        read: the part of the newest reading that is done, from 0 to 1.
    """

    kind: ClassVar[str]

    def __init__(self, path: Path) -> None:
        self.path, self.name = path, path.name
        self.columns: list[str] | None = None
        self.rows: int | None = None
        self.optional: frozenset[str] = frozenset()
        self.read = 0.0

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
