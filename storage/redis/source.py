"""Where the service's reads go to: the connections to one Redis, one for each event loop, and what they refuse."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from copy import copy
from time import monotonic
from typing import Any
from weakref import WeakKeyDictionary

from storage.errors import StorageError, StorageUnavailable, SuspectGeneration
from storage.reader import Kept
from storage.redis.connection import Connection
from storage.redis.looking import look
from storage.redis.lookup import ROWS, Command, Question
from storage.redis.near import MISSING, RENEWED, Near
from storage.redis.request import ReplyError


class Source:
    """One Redis. Every method raises StorageUnavailable, and SuspectGeneration for a row of a wrong kind.

    Args:
        timeout: seconds without an answer until StorageUnavailable.
        taker: by what a node of a cluster says of a row that it has given away, the node that has it already.
        room: bytes of memory for what was read; see `near.py`.
    """

    def __init__(self, url: str, timeout: float, taker: Callable[[str], Source | None] | None, room: int) -> None:
        self._url, self._timeout, self._taker, self._room = url, timeout, taker, room
        self._connections: WeakKeyDictionary[asyncio.AbstractEventLoop, Connection] = WeakKeyDictionary()
        self._last: tuple[asyncio.AbstractEventLoop | None, Connection | None] = None, None
        self._is_fresh = False

    def fresh(self) -> Source:
        """The same connections, but what is kept near is neither given nor kept."""
        found = copy(self)
        found._is_fresh = True
        return found

    @property
    def kept(self) -> Kept:
        """What is kept near, of all event loops."""
        found = [item.near for item in self._connections.values() if item.near is not None]
        return Kept(
            sum(near.hits for near in found), sum(near.misses for near in found), sum(near.used for near in found)
        )

    async def ask(self, commands: Sequence[Command]) -> list[Any]:
        """Replies as they come; nothing of them is kept."""
        try:
            return await self.connection().call(*commands)
        except ReplyError as error:
            return await self._redirected(commands, error)

    def given(self, questions: Sequence[Question]) -> tuple[list[Any], list[int]]:
        """What is near, for whoever asks to change as he likes, and the places of what is MISSING; see `fill`."""
        near = self._near() if self._room else None
        if near is None:
            return [MISSING] * len(questions), list(range(len(questions)))
        return near.given(questions)

    async def fill(self, questions: Sequence[Question], values: list[Any], missing: Sequence[int]) -> None:
        """Ask Redis for the values that are missing; all that it is asked for travels together."""
        wanted = [questions[place] for place in missing] if len(missing) < len(questions) else questions
        connection = self.connection()
        near = None if self._is_fresh else connection.near
        try:
            if near is None:
                found = await connection.ask(wanted, None).future
            else:
                found = await look(connection, near, wanted)
        except ReplyError as error:
            found = await self._elsewhere(wanted, error)
        for place, question, value in zip(missing, wanted, found, strict=True):
            values[place] = question[0].copied(value)

    async def look(self, questions: Sequence[Question]) -> list[Any]:
        """What these questions are answered with, from here or there."""
        values, missing = self.given(questions)
        if missing:
            await self.fill(questions, values, missing)
        return values

    async def rows(self, key: str, rows: Sequence[str]) -> list[bytes | None]:
        """Rows that were put, of one storage. Those that are not near are asked for with one command."""
        near = self._near()
        values = [MISSING] * len(rows) if near is None else near.given_rows(key, rows)
        wanted = tuple(dict.fromkeys([row for row, value in zip(rows, values, strict=True) if value is MISSING]))
        if not wanted:
            return values
        found = [MISSING]
        await self.fill([(ROWS, key, wanted)], found, (0,))
        by_row = dict(zip(wanted, found[0], strict=True))
        return [by_row[row] if value is MISSING else value for row, value in zip(rows, values, strict=True)]

    def connection(self) -> Connection:
        """That of the running loop."""
        loop = asyncio.get_running_loop()
        if self._last[0] is loop and self._last[1] is not None:
            return self._last[1]
        found = self._connections.get(loop)
        if found is None:
            found = self._connections[loop] = Connection(self._url, self._timeout, self._room)
        self._last = loop, found
        return found

    async def close(self) -> None:
        """Close the connection of the running loop."""
        await self.connection().close()

    def _near(self) -> Near | None:
        """What may be given now without asking Redis; None = nothing."""
        connection = self.connection()
        near = connection.near
        if near is None or self._is_fresh:
            return None
        now = monotonic()
        if now - near.proven > RENEWED:
            connection.prove()
        return near if near.trusts(now) else None

    async def _elsewhere(self, questions: Sequence[Question], error: ReplyError) -> list[Any]:
        """The values after one of these questions was refused here; see `_redirected`."""
        replies = await self._redirected([lookup.command(key, part) for lookup, key, part in questions], error)
        return [lookup.decode(reply) for (lookup, _, _), reply in zip(questions, replies, strict=True)]

    async def _redirected(self, commands: Sequence[Command], error: ReplyError) -> list[Any]:
        """Replies after one of these commands was refused, where that means that another node has its row."""
        if self._taker is not None and self._taker(str(error)) is not None:
            return [await self._followed(command) for command in commands]
        raise _failure(error) from error

    async def _followed(self, command: Command) -> Any:
        """A command's reply from here, or from whoever has its row already; each row is asked for by itself."""
        try:
            [reply] = await self.connection().call(command)
        except ReplyError as error:
            taker = None if self._taker is None else self._taker(str(error))
            if taker is None:
                raise _failure(error) from error
            _, reply = await taker.ask([("ASKING",), command])
        return reply


def _failure(error: ReplyError) -> StorageError:
    if str(error).startswith("WRONGTYPE"):
        return SuspectGeneration(f"A row is not of the kind that its writer leaves: {error}")
    return StorageUnavailable(f"Redis refuses to be read: {error}")
