"""One SQLite file as the models service reads it: small questions at once, on the event loop, others in a thread.

A question for a row takes 6 us here and 54 us through a thread (measured on one core), so that what is small is not
worth one. How much is small is bounded: SQLite itself breaks off after some milliseconds, and the question is asked
again in a thread. Files are opened in threads alone, as that may wait for whoever holds them.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar
from weakref import WeakKeyDictionary

from storage.errors import StorageUnavailable
from storage.relational.database import Answers, Question, TableGone, Values
from storage.relational.sqlite import text_name
from storage.relational.sqlite_file import File, file_of, path_of, said, sql, translated
from storage.relational.sqlite_loop import Aside, Direct, Loop, TooLong, answer
from storage.relational.tables import ALL_ROWS, COLUMNS, Statement, Table, Types

T = TypeVar("T")

MOST = 500
"""So many tuples of values are asked for on the loop; each takes some microseconds."""
LOOK = 1.0
"""Seconds until it is looked again whether the file's name stands for the file that is open."""
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
        self._loops: WeakKeyDictionary[asyncio.AbstractEventLoop, Loop] = WeakKeyDictionary()

    @property
    def file(self) -> File | None:
        """See `Source.file`."""
        return self._loop().file

    async def ask(self, questions: Sequence[Question]) -> list[Answers]:
        """See `Source.ask`. All answers are of one moment."""
        is_new = self._look()
        if self._loop().file is None and not self._path.exists():
            raise TableGone(f"{said(self._path)} does not exist yet.")
        if is_new and any(item.table is not None for item in questions):
            raise TableGone(f"The file {self._path} is another one by now, with other tables.")
        if not any(item.slow for item in questions) and sum(len(item.values) for item in questions) <= MOST:
            with suppress(TooLong):
                return self._at_once(await self._direct(), questions)
        return await self._aside(lambda connection: _answers(connection, questions))

    async def tell(self, statement: Statement, rows: Sequence[Values]) -> None:
        """See `Source.tell`."""
        self._look()
        if not self._path.exists():
            raise StorageUnavailable(f"{said(self._path)} does not exist yet, as nobody has written to it.")
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
        self._loop().close()

    def _loop(self) -> Loop:
        loop = asyncio.get_running_loop()
        found = self._loops.get(loop)
        if found is None:
            found = self._loops[loop] = Loop()
        return found

    def _look(self) -> bool:
        """Whether another file has taken the name of the one that was read; that one is let go of."""
        here, now = self._loop(), time.monotonic()
        if here.file is None or now - here.looked < LOOK:
            return False
        here.looked = now
        if file_of(self._path) == here.file:
            return False
        here.close()
        return True

    async def _direct(self) -> Direct:
        """The loop's own connection."""
        here = self._loop()
        if here.direct is None:
            connection = Aside(self._path, self._timeout)
            opened = await asyncio.to_thread(connection.opened)
            if here.direct is None and here.takes(connection.file):
                here.direct = Direct(opened)
            else:  # somebody was faster
                opened.close()
                raise TooLong
        return here.direct

    def _at_once(self, direct: Direct, questions: Sequence[Question]) -> list[Answers]:
        try:
            return direct.answers(questions)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname.startswith(("SQLITE_INTERRUPT", "SQLITE_BUSY")):
                raise TooLong from error
            with translated(self._path):
                raise

    async def _aside(self, use: Callable[[sqlite3.Connection], T]) -> T:
        """In a thread, with a connection of its own, until the time is up or nobody waits any more."""
        here = self._loop()
        aside = here.idle.pop() if here.idle else Aside(self._path, self._timeout)
        task = asyncio.ensure_future(asyncio.to_thread(lambda: use(aside.opened())))
        task.add_done_callback(lambda done: here.give_back(done, aside))
        try:
            done, _ = await asyncio.wait({task}, timeout=self._timeout)
        finally:
            if not task.done():
                aside.interrupt()
        if not done:
            raise StorageUnavailable(f"{said(self._path)} gave no answer for {self._timeout:g} s.")
        with translated(self._path):
            return task.result()


def _answers(connection: sqlite3.Connection, questions: Sequence[Question]) -> list[Answers]:
    connection.execute("BEGIN")
    try:
        return [answer(connection, question) for question in questions]
    finally:
        connection.rollback()


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
