"""One SQLite file as the models service reads it: small questions at once, on the event loop, others in a thread.

A question for a row takes 6 us here and 54 us through a thread (measured on one core), so that what is small is not
worth one. How much is small is bounded: SQLite itself breaks off after some milliseconds, and the question is asked
again in a thread.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from storage.errors import StorageUnavailable
from storage.relational_database import Answers, Question, TableGone, Values
from storage.relational_tables import ALL_ROWS, COLUMNS, Statement, Table, Types
from storage.sqlite import text_name
from storage.sqlite_file import connected, path_of, sql, translated

T = TypeVar("T")

STEPS, STRIDES = 1_000, 10
"""SQLite's own steps until it asks whether to go on, and how often it may: some 3 ms in all."""
MOST = 500
"""So many tuples of values are asked for on the loop; each takes some microseconds."""
COUNTED = 1_000_000
"""Rows that are counted; of more than these the number is not told."""
_SAMPLE = 1_000
_SEARCH: Types = ("text", "integer")


class SqliteSource:
    """See `Source`. A connection for each event loop, and others for its threads, opened with the first call."""

    def __init__(self, address: str, timeout: float = 1.0) -> None:
        """
        Args:
            timeout: seconds until StorageUnavailable.
        """
        self._path, self._timeout = path_of(address), timeout
        self._direct: WeakKeyDictionary[asyncio.AbstractEventLoop, _Direct] = WeakKeyDictionary()
        self._idle: WeakKeyDictionary[asyncio.AbstractEventLoop, list[sqlite3.Connection]] = WeakKeyDictionary()

    async def ask(self, questions: Sequence[Question]) -> list[Answers]:
        """See `Source.ask`. All answers are of one moment."""
        if asyncio.get_running_loop() not in self._direct and not self._path.exists():
            raise TableGone(f"There is no {self._path} yet.")
        if not any(item.slow for item in questions) and sum(len(item.values) for item in questions) <= MOST:
            with suppress(_TooLong):
                return self._at_once(questions)
        return await self._aside(lambda connection: _answers(connection, questions))

    async def tell(self, statement: Statement, rows: Sequence[Values]) -> None:
        """See `Source.tell`."""
        if not self._path.exists():
            raise StorageUnavailable(f"There is no {self._path} yet, as nobody has written to it.")
        await self._aside(lambda connection: _told(connection, sql(statement, None), rows))

    def count(self, table: Table) -> Question:
        """See `Source.count`."""
        some = f"SELECT count(*) AS n FROM (SELECT 1 FROM {{table}} LIMIT {COUNTED + 1})"
        return _whole(table, f"SELECT CASE WHEN n <= {COUNTED} THEN n END FROM ({some})")

    def size(self, table: Table) -> Question:
        """See `Source.size`. Text and values alone, judged by the first rows."""
        columns = COLUMNS[table.kind].items()
        weight = " + ".join(f"length({name})" if type == "bytes" else "8" for name, type in columns)
        rows = f"SELECT count(*) FROM (SELECT 1 FROM {{table}} LIMIT {COUNTED})"
        some = f"SELECT {weight} AS n FROM {{table}} LIMIT {_SAMPLE}"
        return _whole(table, f"SELECT CAST(coalesce(avg(n), 0) * ({rows}) AS INTEGER) FROM ({some})")

    async def near(self, table: Table, vector: bytes, size: int, metric: str) -> list[Values]:
        """See `Source.near`. SQLite has no index for that: all rows."""
        [[rows]] = await self.ask([Question(ALL_ROWS, table, [()], slow=True)])
        return rows

    async def search(self, table: Table, words: Sequence[str], size: int) -> list[Values]:
        """See `Source.search`. Each word is put in quotes, where FTS5 knows no operators."""
        name = text_name(table)
        found = Statement(
            f"SELECT held.key, -bm25({name}) FROM {name} JOIN {{table}} AS held ON held.rowid = {name}.rowid"
            f" WHERE {name} MATCH {{0}} ORDER BY bm25({name}), held.key LIMIT {{1}}",
            _SEARCH,
        )
        any_of = " OR ".join(f'"{word}"' for word in words)
        [[rows]] = await self.ask([Question(found, table, [(any_of, size)], slow=True)])
        return rows

    async def close(self) -> None:
        """See `Source.close`."""
        loop = asyncio.get_running_loop()
        if loop in self._direct:
            self._direct.pop(loop).connection.close()
        for connection in self._idle.pop(loop, []):
            connection.close()

    def _at_once(self, questions: Sequence[Question]) -> list[Answers]:
        loop = asyncio.get_running_loop()
        direct = self._direct.get(loop)
        if direct is None:
            direct = self._direct[loop] = _Direct(connected(self._path, 0.0, create=False))
        try:
            return direct.answers(questions)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname.startswith(("SQLITE_INTERRUPT", "SQLITE_BUSY")):
                raise _TooLong from error
            with translated(self._path):
                raise

    async def _aside(self, use: Callable[[sqlite3.Connection], T]) -> T:
        """In a thread, with a connection of its own, until the time is up or nobody waits any more."""
        idle = self._idle.setdefault(asyncio.get_running_loop(), [])
        connection = idle.pop() if idle else connected(self._path, self._timeout, create=False)
        task = asyncio.ensure_future(asyncio.to_thread(use, connection))
        task.add_done_callback(lambda done: _given_back(done, connection, idle))
        try:
            done, _ = await asyncio.wait({task}, timeout=self._timeout)
        finally:
            if not task.done():
                connection.interrupt()
        if not done:
            raise StorageUnavailable(f"SQLite's {self._path} gave no answer for {self._timeout:g} s.")
        with translated(self._path):
            return task.result()


class _TooLong(Exception):
    """The question must be asked in a thread."""


class _Direct:
    """The connection of an event loop, which breaks off what takes too long."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection, self._strides = connection, 0
        connection.set_progress_handler(self._stop, STEPS)

    def answers(self, questions: Sequence[Question]) -> list[Answers]:
        self._strides = STRIDES
        self.connection.execute("BEGIN")
        try:
            return [_answer(self.connection, question) for question in questions]
        finally:
            self._strides = STRIDES  # the end itself is never broken off
            self.connection.rollback()

    def _stop(self) -> bool:
        self._strides -= 1
        return self._strides < 0


def _given_back(task: asyncio.Future[Any], connection: sqlite3.Connection, idle: list[sqlite3.Connection]) -> None:
    if not task.cancelled():
        task.exception()  # it has been raised where somebody waited for it
    idle.append(connection)


def _answers(connection: sqlite3.Connection, questions: Sequence[Question]) -> list[Answers]:
    connection.execute("BEGIN")
    try:
        return [_answer(connection, question) for question in questions]
    finally:
        connection.rollback()


def _answer(connection: sqlite3.Connection, question: Question) -> Answers:
    text = sql(question.statement, question.table)
    return [connection.execute(text, values).fetchall() for values in question.values]


def _told(connection: sqlite3.Connection, text: str, rows: Sequence[Values]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        for row in rows:
            connection.execute(text, row).fetchall()
        connection.execute("COMMIT")
    finally:
        connection.rollback()


def _whole(table: Table, text: str) -> Question:
    return Question(Statement(text), table, [()], slow=True)
