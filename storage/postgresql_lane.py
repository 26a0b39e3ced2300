"""One connection that carries the questions of an event loop: those that come while others are under way go together.

Reads change nothing, so what a broken connection leaves unanswered is asked again on the next one, until its time is
up. A time-out ends the connection: whatever follows would wait behind the same silence.
"""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import psycopg

from storage.errors import StorageError
from storage.postgresql_server import PostgresqlServer, adapt, columns, split, sql, sql_of_many
from storage.relational_database import Answers, Question

_Connection = psycopg.AsyncConnection[Any]
_PAUSES = 0.02, 0.2
"""Seconds between two attempts to connect, at first and at last, jittered."""
_ROUND = 64
"""Statements that travel together at most."""


class _Call(NamedTuple):
    """What one caller wants to know, and until when."""

    questions: Sequence[Question]
    future: asyncio.Future[list[Answers]]
    deadline: float


class Lane:
    """Connects with the first call, and again whenever the connection breaks. Belongs to the event loop that it is
    made on."""

    def __init__(self, server: PostgresqlServer) -> None:
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._waiting: list[_Call] = []
        self._working: asyncio.Task[None] | None = None
        self._connection: _Connection | None = None
        self._problem: BaseException | None = None
        self._closed = False

    def ask(self, questions: Sequence[Question]) -> asyncio.Future[list[Answers]]:
        """The answers, once they are there; its errors are those of `Source.ask`."""
        future: asyncio.Future[list[Answers]] = self._loop.create_future()
        if self._closed:
            future.set_exception(self._server.unavailable("it is closed here"))
            return future
        self._waiting.append(_Call(questions, future, self._loop.time() + self._server.timeout))
        if self._working is None:
            self._working = self._loop.create_task(self._work())
        return future

    async def close(self) -> None:
        """Fail what is under way, and every later call."""
        self._closed = True
        if self._connection is not None:
            _cut(self._connection)
        if self._working is not None:
            self._working.cancel()
            await asyncio.wait([self._working])
        self._fail(self._waiting, self._server.unavailable("it is closed here"))
        await self._drop()

    async def _work(self) -> None:
        """Answer what waits, round after round, until nothing does."""
        try:
            while self._waiting:
                calls = [call for call in self._waiting[:_ROUND] if not call.future.done()]
                del self._waiting[:_ROUND]
                if calls:
                    await self._answer(calls)
        finally:
            self._working = None

    async def _answer(self, calls: Sequence[_Call]) -> None:
        """Ask until there is an answer, or until the time of the first is up."""
        deadline, pause = calls[0].deadline, _PAUSES[0]
        while True:
            try:
                found = await self._within(deadline, [item for call in calls for item in call.questions])
            except (psycopg.OperationalError, OSError, TimeoutError) as error:
                await self._drop()
                if self._loop.time() + pause > deadline:
                    return self._fail(calls, self._server.unavailable(error))
                await asyncio.sleep(pause * (0.5 + random.random() / 2))
                pause = min(2 * pause, _PAUSES[1])
            except psycopg.Error as error:
                return await self._one_by_one(calls, error)
            else:
                return self._deliver(calls, found)

    async def _within(self, deadline: float, questions: Sequence[Question]) -> list[Answers]:
        """The answers, or TimeoutError. A question that is given up is ended by cutting the connection: the driver
        would first ask the server, which does not answer, to stop."""
        task = self._loop.create_task(self._asked(questions))
        try:
            await asyncio.wait({task}, timeout=max(0.0, deadline - self._loop.time()))
            if task.done():
                return task.result()
            raise TimeoutError(f"no answer for {self._server.timeout:g} s")
        finally:
            if not task.done():
                if self._connection is None:
                    task.cancel()
                else:
                    _cut(self._connection)
                with suppress(psycopg.Error, OSError, asyncio.CancelledError):
                    await task

    async def _asked(self, questions: Sequence[Question]) -> list[Answers]:
        if self._connection is None:
            self._connection = await self._connected()
        together = gathered(questions)
        async with self._connection.pipeline():
            cursors = [
                await self._connection.execute(text, parameters, binary=True)
                for text, parameters in (spoken(question) for question in together.values())
            ]
            rows = [await cursor.fetchall() for cursor in cursors]
        answers = {
            place: iter([found] if len(question.values) == 1 else split(found, len(question.values)))
            for (place, question), found in zip(together.items(), rows, strict=True)
        }
        return [[next(answers[_place(question)]) for _ in question.values] for question in questions]

    async def _connected(self) -> _Connection:
        connection = await _Connection.connect(
            **self._server.parameters, autocommit=True, cursor_factory=psycopg.AsyncRawCursor
        )
        adapt(connection)
        return connection

    async def _one_by_one(self, calls: Sequence[_Call], error: psycopg.Error) -> None:
        """One question was refused, and with it all that travelled with it."""
        if len(calls) == 1:
            self._fail(calls, self._server.meaning(error))
        else:
            for call in calls:
                await self._answer([call])

    def _deliver(self, calls: Sequence[_Call], found: Sequence[Answers]) -> None:
        answers = iter(found)
        for call in calls:
            mine = [next(answers) for _ in call.questions]
            if not call.future.done():
                call.future.set_result(mine)

    def _fail(self, calls: Sequence[_Call], error: StorageError) -> None:
        for call in calls:
            if not call.future.done():
                call.future.set_exception(error)

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()


def gathered(questions: Sequence[Question]) -> dict[object, Question]:
    """The questions that are to be asked: equal statements are one with all their values, unless they write."""
    found: dict[object, Question] = {}
    for question in questions:
        place = _place(question)
        values = [*(found[place].values if place in found else ()), *question.values]
        found[place] = question._replace(values=values)
    return {place: question for place, question in found.items() if question.values}


def spoken(question: Question) -> tuple[str, Sequence[Any]]:
    """A question in SQL, with its parameters."""
    if len(question.values) == 1:
        return sql(question.statement, question.table), question.values[0]
    return sql_of_many(question.statement, question.table), columns(question.values)


def _place(question: Question) -> object:
    writes = question.statement.sql.startswith("INSERT")
    return id(question) if writes else (question.statement, question.table)


def _cut(connection: _Connection) -> None:
    """Whatever waits for this connection finds that it has ended."""
    with suppress(OSError, psycopg.Error), socket.socket(fileno=socket.dup(connection.fileno())) as end:
        end.shutdown(socket.SHUT_RDWR)
