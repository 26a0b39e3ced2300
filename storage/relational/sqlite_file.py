"""A SQLite file: its address, connections to it, and its errors in this room's words."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from storage.errors import FormatRefused, StorageError, StorageUnavailable, SuspectGeneration
from storage.relational.database import OutOfRange, Repeated, TableGone
from storage.relational.tables import Statement, Table

OLDEST = (3, 37, 0)
"""STRICT tables; upserts and RETURNING are older."""
_NOW = "CAST(round((julianday('now') - 2440587.5) * 86400000) AS INTEGER)"
File = tuple[int, int]
"""Device and number of a file, whatever its name."""
_REPEATED = ("SQLITE_CONSTRAINT_PRIMARYKEY", "SQLITE_CONSTRAINT_UNIQUE")


def path_of(address: str) -> Path:
    """The file of `sqlite:///relative/file` or `sqlite:////absolute/file`.

    Raises:
        FormatRefused: it names none.
    """
    parts = urlsplit(address)
    name = unquote(parts.path[1:])
    if parts.netloc or parts.query or not name or name == ":memory:":
        raise FormatRefused(
            f"The relational_url {address!r} names no SQLite file; it is sqlite:///file, or sqlite:////folder/file."
        )
    return Path(name)


def said(path: Path) -> str:
    """The file for people, wherever they look from, with the setting that names it."""
    return f"SQLite's {path.absolute()} (relational_url)"


def file_of(path: Path) -> File | None:
    """Which file has this name now; None = none has. Who has it open goes on with what is perhaps another one: a file
    that was removed, or whose name a restored backup has got, is still there for him, and for nobody else."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def connected(path: Path, timeout: float, create: bool = True) -> sqlite3.Connection:
    """A connection to the file, in WAL mode: readers and the writer do not wait for one another.

    Raises:
        StorageUnavailable: it cannot be opened, or SQLite is too old.
    """
    if sqlite3.sqlite_version_info < OLDEST:
        raise StorageUnavailable(f"SQLite {sqlite3.sqlite_version} is too old; 3.37 or newer is needed.")
    with translated(path):
        if create:
            path.parent.mkdir(parents=True, exist_ok=True)
        mode = "rwc" if create else "rw"
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={mode}",
            timeout=timeout,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=512,
            uri=True,
        )
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA secure_delete = OFF")  # some builds overwrite whatever is dropped
        except BaseException:
            connection.close()
            raise
        return connection


@lru_cache(maxsize=4_096)
def sql(statement: Statement, table: Table | None) -> str:
    """A statement in SQLite's words."""
    places = (f"?{place}" for place in range(1, len(statement.types) + 1))
    return statement.sql.format(*places, table=table.name if table is not None else "", now=_NOW)


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """SQLite's errors as this room's."""
    try:
        yield
    except sqlite3.Error as error:
        raise _meaning(path, error) from error
    except OSError as error:
        raise StorageUnavailable(f"{said(path)} cannot be opened: {error.strerror}.") from error


def _meaning(path: Path, error: sqlite3.Error) -> StorageError:
    code = getattr(error, "sqlite_errorname", None) or ""
    where = said(path)
    if code in _REPEATED:
        return Repeated(f"{where} has a row already that was to be new.")
    if isinstance(error, (sqlite3.IntegrityError, sqlite3.DataError)):
        return OutOfRange(f"{where} cannot hold a value: {error}.")
    if str(error).startswith("no such table"):
        return TableGone(f"{where}: {error}.")
    if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return StorageUnavailable(f"{where} is being written by another process; ask again.")
    if code.startswith("SQLITE_CORRUPT"):
        return SuspectGeneration(f"{where} is damaged ({error}); restore it, or remove it and fold everything again.")
    return StorageUnavailable(f"{where} cannot be used: {error}.")
