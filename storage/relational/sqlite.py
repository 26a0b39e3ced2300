"""One SQLite file as learners write it: several processes at once, one of them writing at a time."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

from storage.errors import StorageUnavailable, UnknownOutcome
from storage.relational.database import Answers, Question, Transaction, Values
from storage.relational.rows import document_words
from storage.relational.sqlite_file import File, connected, file_of, path_of, said, sql, translated
from storage.relational.tables import COLUMNS, LAYOUT, Statement, Table, Type, created, layout

_TYPES: dict[Type, str] = {"bytes": "BLOB", "integer": "INTEGER", "number": "REAL", "text": "TEXT"}
_TOKENS = "tokenize = 'unicode61 remove_diacritics 0'"


class Sqlite:
    """See `Database`. A commit that was acknowledged outlives any process, and may be lost with the machine's power:
    position and rows together, so that what is lost is folded again. A process that is frozen within a commit, which
    lasts milliseconds, holds up all others until it goes on or ends: where that matters, take PostgreSQL."""

    def __init__(self, address: str, timeout: float = 5.0) -> None:
        """Opens the file with the first call, and makes it, and its folder, where they are not.

        Args:
            address: `sqlite:///relative/file` or `sqlite:////absolute/file`.
            timeout: seconds that a call waits for other processes that write.
        """
        self._path, self._timeout = path_of(address), timeout
        self._idle: list[_Opened] = []
        self._writing, self._lock = Lock(), Lock()
        self._made: File | None = None
        self._closed = False

    @contextmanager
    def transaction(self, catalogue: bool = False) -> Iterator[Transaction]:
        """See `Database.transaction`. Whoever has begun to write holds up all who would."""
        with self._writing, self._connection() as (connection, file):
            with translated(self._path):
                connection.execute("BEGIN IMMEDIATE")
            try:
                with translated(self._path):
                    yield SqliteTransaction(connection, file)
            except BaseException:
                connection.rollback()
                raise
            self._commit(connection, file)

    @contextmanager
    def snapshot(self) -> Iterator[Transaction]:
        """See `Database.snapshot`. Nobody is held up."""
        with self._connection() as (connection, file), translated(self._path):
            connection.execute("BEGIN")
            try:
                yield SqliteTransaction(connection, file)
            finally:
                connection.rollback()

    def options(self, kept: Mapping[str, Any]) -> Mapping[str, Any]:
        """See `Database.options`."""
        return {name: kept[name] for name in ("index", "fields") if name in kept}

    def close(self) -> None:
        """See `Database.close`."""
        with self._lock:
            self._closed = True
            while self._idle:
                self._idle.pop().connection.close()

    def _commit(self, connection: sqlite3.Connection, file: File) -> None:
        """Commit. What went into a file that has lost its name meanwhile is no commit: the identical one, sent again,
        meets the fence of the file that has it now."""
        try:
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            with suppress(sqlite3.Error):
                connection.rollback()
            raise UnknownOutcome(f"{said(self._path)} may have committed, or not: {error}.") from error
        if file_of(self._path) != file:
            raise UnknownOutcome(f"{said(self._path)} was removed, or replaced, while it was written.")

    @contextmanager
    def _connection(self) -> Iterator[_Opened]:
        """A connection of one's own until the block ends."""
        opened = self._taken() or _opened(self._path, self._timeout)
        try:
            self._make(opened)
            yield opened
        finally:
            with self._lock:
                if self._closed:
                    opened.connection.close()
                else:
                    self._idle.append(opened)

    def _taken(self) -> _Opened | None:
        """An idle connection to the file that has the name now; those to another are closed."""
        file = file_of(self._path)
        with self._lock:
            if self._closed:
                raise StorageUnavailable(f"{said(self._path)} is closed here.")
            while self._idle:
                opened = self._idle.pop()
                if opened.file == file:
                    return opened
                opened.connection.close()
        return None

    def _make(self, opened: _Opened) -> None:
        connection, file = opened
        if self._made == file:
            return
        with translated(self._path):
            last = f"SELECT 1 FROM sqlite_master WHERE name = 'millrace_{LAYOUT[-1]}'"
            if not connection.execute(last).fetchone():
                made = layout(_TYPES, "INTEGER PRIMARY KEY AUTOINCREMENT", " STRICT")
                connection.executescript(";".join(["BEGIN IMMEDIATE", *made, "COMMIT"]))
            self._made = file


class _Opened(NamedTuple):
    """A connection, and the file that it was opened on."""

    connection: sqlite3.Connection
    file: File


def _opened(path: Path, timeout: float) -> _Opened:
    while True:
        connection = connected(path, timeout)
        file = file_of(path)
        if file is not None:
            return _Opened(connection, file)
        connection.close()  # it was removed at this moment


class SqliteTransaction:
    """See `Transaction`."""

    def __init__(self, connection: sqlite3.Connection, file: File) -> None:
        self._connection, self.file = connection, file

    def run(self, statement: Statement, *values: Any, table: Table | None = None) -> list[Values]:
        return self._connection.execute(sql(statement, table), values).fetchall()

    def ask(self, question: Question) -> Answers:
        text = sql(question.statement, question.table)
        return [self._connection.execute(text, values).fetchall() for values in question.values]

    def write(self, table: Table, rows: Sequence[Values], conflict: str) -> None:
        columns = COLUMNS[table.kind]
        places = ", ".join(f"?{place}" for place in range(1, len(columns) + 1))
        text = f"INSERT INTO {table.name} AS held ({', '.join(columns)}) VALUES ({places}) {conflict}"
        self._connection.executemany(text, rows)
        if table.index == "text":
            self._index(table, rows)

    def forget(self, table: Table, keys: Sequence[Values]) -> None:
        if table.index == "text":
            where = f"(SELECT rowid FROM {table.name} WHERE key = ?1)"
            self._connection.executemany(f"DELETE FROM {text_name(table)} WHERE rowid = {where}", keys)

    def create(self, table: Table) -> None:
        plain = table.kind == "puts"  # long rows are better kept apart from their keys, and full text needs row ids
        for statement in created(table, _TYPES, " STRICT" if plain else " STRICT, WITHOUT ROWID"):
            self._connection.execute(statement)
        if table.index == "text":
            self._connection.execute(f"CREATE VIRTUAL TABLE {text_name(table)} USING fts5(text, {_TOKENS})")

    def drop(self, table: Table) -> None:
        self._connection.execute(f"DROP TABLE IF EXISTS {table.name}")
        self._connection.execute(f"DROP TABLE IF EXISTS {text_name(table)}")

    def _index(self, table: Table, rows: Sequence[Values]) -> None:
        """Words in place of those that a row had."""
        texts = [(key, " ".join(document_words(key, row, table.options["fields"]))) for key, row in rows]
        words, where = text_name(table), f"FROM {table.name} WHERE key = ?1"
        self.forget(table, [text[:1] for text in texts])
        self._connection.executemany(f"INSERT INTO {words} (rowid, text) SELECT rowid, ?2 {where}", texts)


def text_name(table: Table) -> str:
    """The full-text table of a table with the index "text"."""
    return f"millrace_text_{table.id}"
