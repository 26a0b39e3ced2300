"""A file's rows become a new version of a storage, which its name stands for once all of them are there.

    declare a version that is `filling`  ->  fill, chunk by chunk, saying now and then that it goes on
    ->  the version is `ready`  ->  its name is switched to it

Whatever fails before the end, the name stands for what it stood for, and what was filled is erased. What a load leaves
that is killed is found dead by the next load, or by `versions.collect`. Two loads of one name do not disturb one
another: each fills a version of its own, and the name stands for the one that ends last.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path

from storage import versions
from storage.alias import Alias
from storage.descriptor import Descriptor
from storage.errors import FileRefused, StorageUnavailable, WriteRefused
from storage.loads.descriptor import Given, described
from storage.loads.file import LoadFile
from storage.loads.filling import BEAT, Filling
from storage.loads.open import opened_file
from storage.loads.piece import Piece
from storage.loads.refusing import refusing, sound_pieces
from storage.loads.shape import EARLIER, Shape, first_again, repeated, shape_of
from storage.retention import Retention
from storage.technologies import must_hold
from storage.technology import Technology

_ATTEMPTS = 5
_FOREVER = Retention(age=timedelta(days=365_000))
"""Collects nothing but what dead loads and interrupted deletions have left."""

Seen = Callable[[int, float], None]
"""Told now and then how many rows are there, and which part of the file that is, from 0 to 1."""


@dataclass(frozen=True)
class Loaded:
    """What a load has done.

    Attributes:
        alias: what the name stands for now; None = the load was to leave it alone, and it stands for nothing.
    """

    descriptor: Descriptor
    rows: int
    seconds: float
    alias: Alias | None


def load(
    technology: Technology,
    format: str,
    name: str,
    path: Path,
    given: Given,
    made_by: str,
    switch: bool = True,
    seen: Seen = lambda rows, part: None,
) -> Loaded:
    """Load a file into a new version, and let the storage's name stand for it. Blocks until it is done.

    Args:
        made_by: who does it, for people: "ada@build-3".
        switch: whether the name is switched; if not, `versions.switch` does it later.

    Raises:
        FileRefused: the file is not what the storage needs; the message names row and column.
        FormatRefused: the technology cannot hold it.
        StorageConflict: it was taken for dead, as it did not say for a minute that it goes on.
        StorageUnavailable: the technology has gone. All of these leave the name as it was.
    """
    began = time.monotonic()
    with refusing(path.name):
        file = opened_file(path)
    pieces = sound_pieces(file)
    first = next(pieces, None)
    if first is None:
        raise FileRefused(f"{file.name} has no rows; nothing was loaded.")
    before = _before(technology, format, name)
    with refusing(file.name, first):
        wanted = described(technology.name, format, name, file, first, given, before)
    shape = shape_of(wanted, given.key, datetime.now(UTC))
    shape.must_fit(file)
    must_hold(technology.name, wanted)
    versions.collect(technology, _FOREVER)
    filling = Filling(technology, wanted, made_by)
    try:
        filling.begin()
        rows = _filled(filling, file, shape, chain([first], pieces), seen)
        file.must_be_unchanged()  # also by whoever wrote while the last rows were filled
        ready = filling.end()
    except BaseException:
        filling.abandon()
        raise
    alias = _switched(technology, ready) if switch else technology.aliases().get(ready.place)
    return Loaded(ready, rows, time.monotonic() - began, alias)


def _before(technology: Technology, format: str, name: str) -> Descriptor | None:
    """The version that the name stands for, or the newest that is ready."""
    ready = [item for item in versions.versions(technology, format, name) if item.state == "ready"]
    alias = technology.aliases().get((format, name))
    named = [item for item in ready if alias is not None and item.version == alias.version]
    return next(reversed(named or ready), None)


def _filled(filling: Filling, file: LoadFile, shape: Shape, pieces: Iterator[Piece], seen: Seen) -> int:
    """Fill all pieces; the next is read while one is written. A piece is always written to its end, also where the load
    is told to stop, so that nothing is written after what was filled is erased."""
    rows = 0
    with ThreadPoolExecutor(1, "fill") as writing:
        under_way: tuple[Piece, Future[None]] | None = None
        for piece in pieces:
            with refusing(file.name, piece):
                writes = shape.writes(piece)
            if under_way is not None:
                rows += _finished(filling, file, shape, *under_way)
                seen(rows, file.read)
            under_way = piece, writing.submit(filling.fill, writes)
        if under_way is not None:
            rows += _finished(filling, file, shape, *under_way)
            seen(rows, 1.0)
    return rows


def _finished(filling: Filling, file: LoadFile, shape: Shape, piece: Piece, written: Future[None]) -> int:
    """How many rows were written. Raises FileRefused for a row that an earlier piece has as well."""
    while wait([written], BEAT.total_seconds()).not_done:
        filling.go_on()
    filling.go_on()
    try:
        written.result()
    except WriteRefused as error:
        raise _repeat(file, shape, piece) or error from error
    return piece.height


def _repeat(file: LoadFile, shape: Shape, piece: Piece) -> FileRefused | None:
    """The row of a piece that was there before. Reads the file once more, and keeps no more of it than a piece."""
    suspects = shape.numbered(piece)
    for other in sound_pieces(file):
        if other.first >= piece.first:
            return None
        if (again := first_again(suspects, shape.numbered(other))) is not None:
            return repeated(piece, again, other.place(again[EARLIER] - other.first))
    return None


def _switched(technology: Technology, ready: Descriptor) -> Alias:
    """Never undone: where an answer is lost, readers may be on the new version already."""
    problem: Exception | None = None
    for attempt in range(_ATTEMPTS):
        try:
            return versions.switch(technology, *ready.place, ready.version)
        except StorageUnavailable as error:
            problem = error
            time.sleep(0.1 * 2**attempt)
    raise StorageUnavailable(
        f"{ready.title} is complete, but whether its name stands for it is not known ({problem}); switch to it by "
        f"`millrace storages switch {ready.title}`."
    )
