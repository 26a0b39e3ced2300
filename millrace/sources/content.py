"""What a source says now: read once, checked row by row, and kept on this machine until it is a snapshot or is not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from millrace.sources.declaration import ExternalSource, check_names
from millrace.sources.errors import SourceRefused
from storage.loads.piece import FramePiece, JsonPiece, Piece
from storage.loads.typed import named, typed, types_of

Columns = Mapping[str, pl.DataType]
Check = Callable[[Piece, pl.DataFrame], None]
Seen = Callable[[int, float], None]
Digest = tuple[int, int]
_SEEDS = 1, 2


class Pieces(Protocol):
    """A file, or a query: see `storage.loads.file` and `storage.relational.postgresql_query`."""

    name: str
    read: float

    def pieces(self) -> Iterator[Piece]:
        """The rows, in order; no piece is empty."""


@dataclass(frozen=True)
class Content:
    """All rows of a source, in a file of Arrow record batches.

    Attributes:
        digest: tells whether two hold the same rows, whatever their order, in one process.
        left_out: columns that the source has and its snapshots have not.
    """

    path: Path
    columns: Columns
    rows: int
    digest: Digest
    left_out: Sequence[str] = ()

    def frames(self) -> Iterator[pl.DataFrame]:
        """The rows, in order, a few at a time."""
        with pa.OSFile(str(self.path)) as file:
            for batch in pa.ipc.open_stream(file):
                yield pl.DataFrame(pl.from_arrow(batch))


def take(
    source: ExternalSource,
    origin: Pieces,
    pieces: Iterable[Piece],
    held: Columns,
    path: Path,
    check: Check | None = None,
    seen: Seen = lambda rows, part: None,
) -> Content:
    """Read all pieces. Blocks.

    Args:
        held: the columns of earlier snapshots; empty = there is none.
        path: the file to write.
        check: raises for rows that are refused for another reason.

    Raises:
        FileRefused: a column is missing, or a value has not its column's type; names row and column.
        SourceRefused: there are no rows, too many bytes, a key is there twice, or what is declared is not what is held.
    """
    columns: Columns = source.types or held
    _must_agree(source, columns, held)
    rows, size, sums, present = 0, 0, (0, 0), set[str]()
    keys: list[NDArray[np.uint64]] = []
    writer: pa.RecordBatchStreamWriter | None = None
    try:
        for piece in pieces:
            columns = columns or _found(source, piece)
            frame = typed(piece, columns)
            _must_have_keys(source, piece, frame)
            if check is not None:
                check(piece, frame)
            present.update(_names(piece))
            table = frame.to_arrow()
            writer = writer or pa.ipc.new_stream(path, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd"))
            writer.write_table(table)
            rows, size, sums = rows + frame.height, size + int(frame.estimated_size()), add(sums, digest(frame))
            if size > source.limit_mb << 20:
                raise SourceRefused(f"The source {source.name} is larger than its limit_mb, {source.limit_mb} MB.")
            if source.key:
                keys.append(hashes(frame.select(source.key), _SEEDS[0]))
            seen(rows, origin.read)
    finally:
        if writer is not None:
            writer.close()
    if not rows:
        raise SourceRefused(f"The source {source.name} has no rows, so that no snapshot was made; is it complete?")
    if lacking := [name for name in columns if name not in present]:
        raise SourceRefused(
            f"{origin.name}: no row has the column {lacking[0]!r}; it has {', '.join(sorted(present))}."
        )
    content = Content(path, columns, rows, sums, sorted(present - columns.keys()))
    if source.key:
        _must_differ(source, origin, content, np.concatenate(keys))
    return content


def digest(frame: pl.DataFrame) -> Digest:
    """Of the rows of a frame, whatever their order; sums of two hashes of each."""
    first, second = (int(hashes(frame, seed).sum(dtype=np.uint64)) for seed in _SEEDS)
    return first, second


def add(one: Digest, other: Digest) -> Digest:
    """Of the rows of both."""
    return (one[0] + other[0]) % 2**64, (one[1] + other[1]) % 2**64


def hashes(frame: pl.DataFrame, seed: int = _SEEDS[0]) -> NDArray[np.uint64]:
    """A number for each row, which equal rows share; only in this process."""
    found: NDArray[np.uint64] = frame.hash_rows(seed).to_numpy()
    return found


def _must_agree(source: ExternalSource, columns: Columns, held: Columns) -> None:
    for name, kind in held.items():
        if columns.get(name, kind) != kind:
            raise SourceRefused(
                f"{source.name}.{name} is declared {named(columns[name])}, and is {named(kind)} in its snapshots, "
                "which keep one type of each column. Give the new type a column of its own, or the source another name."
            )
    lower = {name.lower(): name for name in held}
    for name in columns:
        if lower.get(name.lower(), name) != name:
            raise SourceRefused(
                f"{source.name}.{name} differs from {lower[name.lower()]!r} in its case alone; rename it."
            )


def _found(source: ExternalSource, piece: Piece) -> Columns:
    columns = types_of(piece)
    try:
        check_names(columns)
    except ValueError as error:
        raise SourceRefused(f"{piece.file}: {error}.") from error
    if missing := [name for name in source.key if name not in columns]:
        raise SourceRefused(f"{piece.file}: the key {missing[0]!r} is missing; it has {', '.join(columns)}.")
    return columns


def _names(piece: Piece) -> Iterable[str]:
    if isinstance(piece, JsonPiece):
        return {name for row in piece.rows for name in row}
    assert isinstance(piece, FramePiece)
    return piece.frame.columns


def _must_have_keys(source: ExternalSource, piece: Piece, frame: pl.DataFrame) -> None:
    for name in source.key:
        for row in frame[name].is_null().arg_true():
            raise piece.refusal(row, name, "nothing", "a key")


def _must_differ(source: ExternalSource, origin: Pieces, content: Content, keys: NDArray[np.uint64]) -> None:
    """Raise SourceRefused where two rows have one key; those with the same hash are looked at."""
    ordered = np.sort(keys)
    suspects = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    if not suspects.size:
        return
    before: dict[tuple[object, ...], int] = {}
    first = 0
    for frame in content.frames():
        for place in np.flatnonzero(np.isin(keys[first : first + frame.height], suspects)).tolist():
            key = frame.select(source.key).row(place)
            if key in before:
                shown = ", ".join(map(repr, key))
                raise SourceRefused(
                    f"{origin.name}, row {first + place + 1}: found the key {shown} again, after row "
                    f"{before[key] + 1}; each row of a snapshot has its own."
                )
            before[key] = first + place
        first += frame.height
