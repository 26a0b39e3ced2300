"""A request for an endpoint type and its answer, past most of what uvicorn does: that costs as much as the answer."""

from __future__ import annotations

import logging
from asyncio import Event, Task
from functools import lru_cache

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from serving.application import Answer
from serving.head import Reply, lines_of
from serving.json_route import FAILED

LOGGER = logging.getLogger("millrace.service")


class Exchange:
    """One request and its answer, in the place of uvicorn's cycle, whose attributes it has: the body is taken as it
    comes, a task begins when it is complete, and the answer is written in one piece.

    Attributes:
        body: as much as has come.
        task: that answers; the server waits for it when it ends.
    """

    __slots__ = (
        *("_answer", "_connection", "body", "task"),
        *("disconnected", "keep_alive", "response_complete", "response_started"),
    )

    message_event = Event()  # uvicorn sets it, and nobody waits for it here

    def __init__(self, connection: HttpToolsProtocol, answer: Answer, keep_alive: bool) -> None:
        self._connection, self._answer, self.keep_alive = connection, answer, keep_alive
        self.body = bytearray()
        self.task: Task[None] | None = None
        self.disconnected = self.response_started = self.response_complete = False

    async def run(self) -> None:
        """Answer; the body is complete."""
        try:
            try:
                reply = await self._answer(bytes(self.body))
            except BaseException:
                LOGGER.exception("An answer failed.")
                reply = FAILED.reply
            flow = self._connection.flow
            if flow.write_paused and not self.disconnected:
                await flow.drain()
            if not self.disconnected:
                self._write(reply)
        finally:
            self._connection.tasks.discard(self.task)
            self.task = None

    def _write(self, reply: Reply) -> None:
        connection, (status, lines, body) = self._connection, reply
        common, closes = _common(tuple(connection.server_state.default_headers))
        self.keep_alive = self.keep_alive and not closes
        last = b"" if self.keep_alive or closes else b"connection: close\r\n"
        head = (STATUS_LINE[status], common, lines, last, len(body), body)
        connection.transport.write(b"%b%b%b%bcontent-length: %d\r\n\r\n%b" % head)
        self.response_started = self.response_complete = True
        if not self.keep_alive:
            connection.transport.close()
        connection.on_response_complete()


@lru_cache(maxsize=8)
def _common(headers: tuple[tuple[bytes, bytes], ...]) -> tuple[bytes, bool]:
    """The lines that all answers have, which change once a second, and whether they say that the connection closes."""
    return lines_of(headers), (b"connection", b"close") in headers
