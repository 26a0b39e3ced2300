"""A snapshot of a source: what it says now becomes part of the archive, if it is not what it said before.

    fetch or open it  ->  read and check every row, into a file here  ->  compare with the newest snapshot
    ->  one commit of the archive  ->  emit what is new or changed, and note that it was

Whatever fails leaves the archive as it was. What was to be emitted and was not is emitted first the next time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from millrace.archive import shelf_of
from millrace.platform import Platform
from millrace.product import Product
from millrace.settings import Settings
from millrace.sources.changes import Changes
from millrace.sources.content import Content, Pieces, Seen, add, digest, take
from millrace.sources.declaration import ExternalSource, secret
from millrace.sources.errors import SourceMissing, SourceRefused
from millrace.sources.web import fetch
from storage.loads.file import LoadFile
from storage.loads.open import opened_file
from storage.loads.piece import Piece
from storage.loads.refusing import refusing, sound_pieces

if TYPE_CHECKING:
    from streams.archive import Snapshots


@dataclass(frozen=True)
class Outcome:
    """What a run has done.

    Attributes:
        at: from when on the newest snapshot holds.
        new: whether this run made it.
        emitted: events of it, and of an earlier one whose run was interrupted; None = it emits nothing.
        left_out: columns that the source has and its snapshots have not.
    """

    name: str
    at: datetime
    rows: int
    new: bool
    emitted: int | None
    left_out: tuple[str, ...] = ()


def snapshots_of(name: str, settings: Settings) -> Snapshots:
    """The snapshots of a source, whoever declares it; nothing is looked at yet.

    Raises:
        ArchiveMissing: the extra `archive` is not installed.
    """
    shelf = shelf_of(settings)
    from streams.archive import Snapshots

    return Snapshots(shelf.source(name), name)


def tidied(snapshots: Snapshots, settings: Settings, always: bool = True) -> int:
    """Remove the snapshots that are kept no longer; how many. See `Upkeep.done_with`. Blocks.

    Raises:
        ArchiveUnavailable: it does not answer.
    """
    from streams.archive import Upkeep

    return Upkeep(keep_days=settings.archive_days).done_with(snapshots, always)


def declared(product: Product, name: str) -> ExternalSource:
    """A source by its name.

    Raises:
        SourceMissing: the product declares none of this name.
    """
    found = {source.name: source for source in product.sources}
    if name not in found:
        known = ", ".join(found) or f"none; write [sources.{name}] in {product.folder / 'product.toml'}"
        raise SourceMissing(f"The product {product.name} declares no source {name!r}; there are: {known}.")
    return found[name]


def snapshot(product: Product, name: str, platform: Platform, seen: Seen = lambda rows, part: None) -> Outcome:
    """Take a snapshot of a source. Blocks.

    Args:
        seen: told now and then how many rows are read, and which part of it that is.

    Raises:
        SourceMissing, SourceRefused, SourceUnavailable: see `errors.py`.
        FileRefused, StorageUnavailable: a row or a query is refused; a database does not answer.
        ArchiveFenced: another run has made one at the same time.
        ArchiveUnavailable, DeliveryFailed, KafkaUnavailable: the archive, or Kafka, does not answer.
    """
    source = declared(product, name)
    snapshots = snapshots_of(name, platform.settings)
    changes = None if source.emit is None else Changes(source, product.event_types[source.emit])
    if changes is not None and source.types is not None:
        changes.must_fit(source.types)
    snapshots.look()
    emitted = 0 if changes is None else _finish(snapshots, changes, platform)
    with TemporaryDirectory(prefix="millrace-source-") as folder:
        made, left_out = _made(source, product.folder, snapshots, changes, Path(folder), platform.settings, seen)
    _declare(source, snapshots, changes)
    if made and changes is not None:
        emitted += _finish(snapshots, changes, platform)
    tidied(snapshots, platform.settings, always=False)
    newest = snapshots.newest
    assert newest is not None
    return Outcome(name, newest.at, newest.rows, made, None if changes is None else emitted, left_out)


def _declare(source: ExternalSource, snapshots: Snapshots, changes: Changes | None) -> None:
    """Note what the source declares. Whom rows are about may be said by the event that a row becomes."""
    about = source.subject or (None if changes is None else changes.event_type.about)
    snapshots.declare(about if about in snapshots.columns else None, source.keep, source.emit)


def _finish(snapshots: Snapshots, changes: Changes, platform: Platform) -> int:
    """Emit what was not emitted of the newest snapshot; after this all was."""
    newest = snapshots.newest
    before = snapshots.emitted(changes.event_type.topic)
    if newest is None or newest.at == before:
        return 0
    return changes.emit(snapshots, before, newest.at, platform)


def _made(
    source: ExternalSource,
    home: Path,
    snapshots: Snapshots,
    changes: Changes | None,
    folder: Path,
    settings: Settings,
    seen: Seen,
) -> tuple[bool, tuple[str, ...]]:
    """Whether there is a new snapshot, and which columns it leaves out."""
    newest, note = snapshots.newest, {}
    origin: Pieces | None
    if source.path is not None:
        origin = _opened(source, home / source.path)
    elif source.query is not None:
        origin = _query(source, settings)
    else:
        said = snapshots.note if newest is not None else {}
        said = said if said.get("mark") == source.mark else {}
        download = fetch(source, folder, said, settings.allow_insecure_stores)
        if download is None:
            return False, ()
        origin, note = _opened(source, download.path), {**download.said, "mark": source.mark}
    check = None if changes is None else changes.check
    content = take(source, origin, _pieces(origin), snapshots.columns, folder / "content.arrows", check, seen)
    if source.subject is not None and source.subject not in content.columns:
        known = ", ".join(content.columns)
        raise SourceRefused(
            f"The source {source.name} has no column {source.subject!r} to be its subject; it has {known}."
        )
    if newest is not None and _is_as_before(content, snapshots, newest.at, newest.rows):
        return False, tuple(content.left_out)
    snapshots.append(content.frames(), content.columns, snapshots.next_moment(), note)
    return True, tuple(content.left_out)


def _is_as_before(content: Content, snapshots: Snapshots, at: datetime, rows: int) -> bool:
    columns, others = list(content.columns), snapshots.columns.keys() - content.columns.keys()
    if content.rows != rows or not content.columns.keys() <= snapshots.columns.keys():
        return False
    found = (0, 0)
    for frame in snapshots.rows(at):
        if any(frame[name].null_count() < frame.height for name in others):
            return False
        found = add(found, digest(frame.select(columns)))
    return found == content.digest


def _opened(source: ExternalSource, path: Path) -> LoadFile:
    if path.exists() and path.stat().st_size > source.limit_mb << 20:
        raise SourceRefused(f"The source {source.name} is larger than its limit_mb, {source.limit_mb} MB.")
    with refusing(path.name):
        file = opened_file(path)
    with path.open("rb") as start:
        if start.read(1) == b"[":
            raise SourceRefused(
                f"{path.name} is one JSON list; write each of its objects on a line of its own (NDJSON)."
            )
    return file


def _query(source: ExternalSource, settings: Settings) -> Pieces:
    try:
        from storage.relational.postgresql_query import PostgresqlQuery
    except ModuleNotFoundError as error:
        if error.name != "psycopg":
            raise
        raise SourceRefused("A query needs the extra `postgresql`; pip install 'millrace[postgresql]'.") from error
    address, query = secret(source, source.database_env or ""), source.query or ""
    return PostgresqlQuery(source.name, address, query, source.timeout.total_seconds(), settings.allow_insecure_stores)


def _pieces(origin: Pieces) -> Iterator[Piece]:
    return sound_pieces(origin) if isinstance(origin, LoadFile) else origin.pieces()
