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
from storage.relational.database import Answers, Question, Values
from storage.relational.postgresql_server import PostgresqlServer, adapt, columns, split, sql, sql_of_many

_Connection = psycopg.AsyncConnection[Any]
_Spoken = tuple[str, Sequence[Any]]
_PAUSES = 0.02, 0.2
"""Seconds between two attempts to connect, at first and at last, jittered."""
_GRACE = 0.01
"""Seconds between a time-out and its consequences: if the loop itself was held up, replies may have come meanwhile."""
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
        if self._working is not None:
            if self._connection is None:
                self._working.cancel()
            else:
                _cut(self._connection)
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
                if self._closed or self._loop.time() + pause > deadline:
                    why = "it is closed here" if self._closed else error
                    return self._fail(calls, self._server.unavailable(why))
                await asyncio.sleep(pause * (0.5 + random.random() / 2))
                pause = min(2 * pause, _PAUSES[1])
            except psycopg.Error as error:
                return await self._one_by_one(calls, error)
            else:
                return self._deliver(calls, found)

    async def _within(self, deadline: float, questions: Sequence[Question]) -> list[Answers]:
        """The answers, or TimeoutError. A question that is given up is ended by cutting the connection: the driver
        would first ask the server, which does not answer, to stop."""
        timer: asyncio.TimerHandle | None = None
        try:
            if self._connection is None:
                async with asyncio.timeout_at(deadline):
                    self._connection = await self._connected()
            timer = self._loop.call_at(deadline + _GRACE, _cut, self._connection)
            return await self._asked(self._connection, questions)
        except (psycopg.OperationalError, TimeoutError) as error:
            if self._loop.time() < deadline:
                raise
            raise TimeoutError(f"no answer for {self._server.timeout:g} s") from error
        finally:
            if timer is not None:
                timer.cancel()

    async def _asked(self, connection: _Connection, questions: Sequence[Question]) -> list[Answers]:
        together = gathered(questions)
        rows = await _rows(connection, [spoken(question) for question in together.values()])
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


async def _rows(connection: _Connection, spoken: Sequence[_Spoken]) -> list[list[Values]]:
    """What each statement finds; several travel together."""
    if len(spoken) == 1:
        [(text, parameters)] = spoken
        return [await (await connection.execute(text, parameters, binary=True)).fetchall()]
    refused: psycopg.Error | None = None
    found: list[list[Values]] = []
    try:
        async with connection.pipeline():
            try:
                cursors = [await connection.execute(text, parameters, binary=True) for text, parameters in spoken]
                found = [await cursor.fetchall() for cursor in cursors]
            except psycopg.Error as error:
                refused = error  # the pipeline would log what follows from it, if it left by the same error
    except psycopg.errors.PipelineAborted as error:
        refused = refused or error
    if refused is not None:
        raise refused
    return found


def gathered(questions: Sequence[Question]) -> dict[object, Question]:
    """The questions that are to be asked: equal statements are one with all their values, unless they write."""
    found: dict[object, Question] = {}
    for question in questions:
        place = _place(question)
        values = [*(found[place].values if place in found else ()), *question.values]
        found[place] = question._replace(values=values)
    return {place: question for place, question in found.items() if question.values}


def spoken(question: Question) -> _Spoken:
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
