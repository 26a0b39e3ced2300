"""Whatever a file makes the libraries that read it raise ends in one sentence about the file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import polars as pl

from schemas import MillraceError
from storage.errors import FileRefused
from storage.loads.file import LoadFile
from storage.loads.piece import Piece


@contextmanager
def refusing(name: str, piece: Piece | None = None) -> Iterator[None]:
    """What is inside raises FileRefused where it would raise anything that is not ours.

    Args:
        name: of the file.
        piece: the rows that are looked at; their places are named.
    """
    try:
        yield
    except MillraceError:
        raise
    except (Exception, pl.exceptions.PanicException) as error:
        where = "" if piece is None else f", between {piece.place(0)} and {piece.place(piece.height - 1)}"
        why = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(".")
        raise FileRefused(
            f"{name}{where}: it holds what cannot be read ({why[:300]}), so nothing of it was loaded. Is it damaged?"
        ) from error


def sound_pieces(file: LoadFile) -> Iterator[Piece]:
    """The pieces of a file for as long as nobody writes to it. Raises FileRefused, and nothing else."""
    pieces = file.pieces()
    while True:
        try:
            with refusing(file.name):
                piece = next(pieces, None)
        except FileRefused:
            file.must_be_unchanged()  # else that is why
            raise
        file.must_be_unchanged()
        if piece is None:
            return
        yield piece
