"""The connections of one event loop to one SQLite file: its own, and those of its threads."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from storage.relational.database import Answers, Question
from storage.relational.sqlite_file import File, connected, file_of, sql

STEPS, STRIDES = 1_000, 10
"""SQLite's own steps until it asks whether to go on, and how often it may: some 3 ms in all."""


class TooLong(Exception):
    """The question must be asked in a thread."""


class Direct:
    """The connection of an event loop, which breaks off what takes too long."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection, self._strides = connection, 0
        connection.execute("PRAGMA busy_timeout = 0")
        connection.set_progress_handler(self._stop, STEPS)

    def answers(self, questions: Sequence[Question]) -> list[Answers]:
        self._strides = STRIDES
        self.connection.execute("BEGIN")
        try:
            return [answer(self.connection, question) for question in questions]
        finally:
            self._strides = STRIDES  # the end itself is never broken off
            self.connection.rollback()

    def _stop(self) -> bool:
        self._strides -= 1
        return self._strides < 0


class Aside:
    """A connection for one thread at a time, which opens it.

    Attributes:
        file: on which file it is open; None = not yet.
    """

    def __init__(self, path: Path, timeout: float) -> None:
        self._path, self._timeout = path, timeout
        self._connection: sqlite3.Connection | None = None
        self.file: File | None = None

    def opened(self) -> sqlite3.Connection:
        """The connection. Blocks the first time, for as long as somebody else holds the file."""
        if self._connection is None:
            self._connection = connected(self._path, self._timeout, create=False)
            self.file = file_of(self._path)
        return self._connection

    def interrupt(self) -> None:
        """End what it is asked now."""
        if self._connection is not None:
            self._connection.interrupt()

    def close(self) -> None:
        """Let go of it."""
        if self._connection is not None:
            self._connection.close()


class Loop:
    """What belongs to one event loop: its own connection, and idle ones of its threads, all of them to one file.

    Attributes:
        looked: when it was looked whether the file still has its name.
    """

    def __init__(self) -> None:
        self.direct: Direct | None = None
        self.idle: list[Aside] = []
        self.file: File | None = None
        self.looked = 0.0

    def takes(self, file: File | None) -> bool:
        """Whether a connection that was opened on a file is one to keep."""
        if self.file is None:
            self.file, self.looked = file, time.monotonic()
        return file is not None and self.file == file

    def give_back(self, task: asyncio.Future[Any], aside: Aside) -> None:
        """A thread is done with a connection."""
        if not task.cancelled():
            task.exception()  # it has been raised where somebody waited for it
        if aside.file is not None and self.takes(aside.file):
            self.idle.append(aside)
        else:
            aside.close()

    def close(self) -> None:
        """Let go of all that is not in use."""
        if self.direct is not None:
            self.direct.connection.close()
        while self.idle:
            self.idle.pop().close()
        self.direct = self.file = None


def answer(connection: sqlite3.Connection, question: Question) -> Answers:
    """The rows of a question for each of its tuples."""
    text = sql(question.statement, question.table)
    return [connection.execute(text, values).fetchall() for values in question.values]
