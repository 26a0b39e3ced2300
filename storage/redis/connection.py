"""One connection to Redis that carries all reads of an event loop: many requests in one write, replies in their order.

Reads change nothing, so a request whose connection breaks is simply sent again on the next one, until its time is up.
A time-out therefore ends the connection: whatever follows would wait behind the same silence, and no reply that may
still come can meet a wrong request.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import ssl
from collections.abc import Sequence
from itertools import chain
from typing import Any

from redis.connection import SSLConnection

from storage.errors import StorageUnavailable
from storage.handshake import perhaps
from storage.redis.address import ENCRYPTED, connection_settings, place
from storage.redis.lookup import Command, Question, packed
from storage.redis.near import Near
from storage.redis.request import ReplyError, Request
from storage.redis.socket import Socket, greeting, open_socket

LOGGER = logging.getLogger("millrace.storage")

SHORTEST_PAUSE, LONGEST_PAUSE = 0.02, 0.4
"""Seconds between two attempts to connect, jittered."""
GRACE = 0.01
"""Seconds between a time-out and its consequences."""


class Connection:
    """Connects with the first call, and again whenever the connection breaks, until it is closed.

    Belongs to the event loop that it is made on.

    Attributes:
        near: what was read lately; None = nothing is kept, or Redis does not say what changes.
    """

    def __init__(self, url: str, timeout: float = 1.0, room: int = 0) -> None:
        """
        Args:
            url: see `connection_settings`.
            timeout: seconds until a call fails. While Redis is away for longer than that, calls fail at once.
            room: bytes of memory for what was read; see `near.py`. 0 = nothing is kept.
        """
        self._settings = connection_settings(url)
        self._timeout = timeout
        self._loop = asyncio.get_running_loop()
        self._unsent: list[Request] = []
        self._socket: Socket | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._flushing = False
        self._timer: asyncio.TimerHandle | None = None
        self._problem = ""
        self._away_since = self._loop.time()
        self._closed = False
        self.near = Near(room) if room else None

    @property
    def waiting(self) -> int:
        """How many calls have not been written yet."""
        return len(self._unsent)

    def call(self, *commands: Command) -> asyncio.Future[list[Any]]:
        """Send commands with this tick's flush; the future brings their replies, in their order.

        Its errors are StorageUnavailable, and ReplyError where Redis refuses one of the commands.
        """
        return self._send([packed(command) for command in commands]).future

    def ask(self, questions: Sequence[Question], near: Near | None) -> Request:
        """Send what these questions ask, as `call` does; the replies are values.

        Args:
            near: where they are kept, from the moment at which they arrive.
        """
        request = self._send([lookup.pack(key, part) for lookup, key, part in questions], questions, near)
        if near is not None and not request.future.done():
            asked = near.asked
            for place, (_, key, part) in enumerate(questions):
                asked[key, part] = request, place
        return request

    def prove(self) -> None:
        """Ask for a sign of life, unless something is under way that will give one."""
        if not self._unsent and (self._socket is None or not self._socket.sent):
            self.call(("PING",)).add_done_callback(_heard)

    def _send(self, commands: Sequence[bytes], questions: Sequence[Question] = (), near: Near | None = None) -> Request:
        now = self._loop.time()
        request = Request(commands, self._loop.create_future(), now + self._timeout, questions, near)
        if not commands:
            request.finish(None)
        elif self._closed or (self._problem and now > self._away_since + self._timeout):
            request.finish(self._unavailable())
        else:
            self._unsent.append(request)
            if not self._flushing:
                self._flushing = True
                self._loop.call_soon(self._flush)
        return request

    async def close(self) -> None:
        """Fail what is under way, and every later call."""
        self._closed = True
        if self.near is not None:
            self.near.clear()
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait([self._connecting])
        socket, self._socket = self._socket, None
        if socket is not None:
            socket.drop()
            self._unsent += socket.sent
        for request in self._unsent:
            request.finish(self._unavailable())
        self._unsent.clear()
        if self._timer is not None:
            self._timer.cancel()
        await asyncio.sleep(0)  # the transport closes its socket in the loop's next tick

    def _flush(self) -> None:
        self._flushing = False
        if self._socket is None:
            self._connect()
        elif not self._socket.paused:
            waiting = self._still_wanted()
            self._unsent = []
            if waiting:
                self._socket.send(waiting)
        self._watch()

    def _still_wanted(self) -> list[Request]:
        wanted = []
        for request in self._unsent:
            if request.is_wanted:
                wanted.append(request)
            else:
                request.drop()
        return wanted

    def _connect(self) -> None:
        if self._connecting is None and not self._closed:
            self._connecting = self._loop.create_task(self._keep_connecting())

    async def _keep_connecting(self) -> None:
        pause = SHORTEST_PAUSE
        while self._socket is None:
            try:
                async with asyncio.timeout(self._timeout):  # `wait_for` may swallow that it is cancelled
                    socket = await self._opened()
                if socket.is_open:
                    self._socket = socket
                    break
            except Exception as error:  # whatever it is, it is what calls fail with
                self._problem = self._why_not_connected(error)
            await asyncio.sleep(pause * (0.5 + random.random() / 2))
            pause = min(2 * pause, LONGEST_PAUSE)
        self._connecting, self._problem = None, ""
        self._flush()

    async def _opened(self) -> Socket:
        """A socket that has greeted Redis, and been told that it has loaded its data."""
        socket = Socket(self._lost, self._flush, self.near)
        try:
            await open_socket(self._settings, socket)
            await self._said(socket, *greeting(self._settings))
            if self.near is not None:
                await self._track(socket)
        except BaseException:
            socket.drop()
            raise
        return socket

    async def _track(self, socket: Socket) -> None:
        """From now on Redis says what changes of that which is read; where it refuses to, nothing is kept any more."""
        try:
            await self._said(socket, ("CLIENT", "TRACKING", "ON"))
        except ReplyError as error:
            LOGGER.warning("Redis at %s does not say what changes, so all is read from it: %s", self._place, error)
            self.near = None

    async def _said(self, socket: Socket, *commands: Command) -> None:
        """Wait for replies on a socket that nobody else uses yet."""
        request = Request(
            [packed(command) for command in commands], self._loop.create_future(), self._loop.time() + self._timeout
        )
        socket.send([request])
        await request.future

    def _lost(self, socket: Socket, error: Exception | None) -> None:
        """A socket has ended: what it leaves unanswered is sent again."""
        if socket is not self._socket:
            for request in socket.sent:  # a greeting, or what `close` has failed already
                request.finish(error or ConnectionError("it hung up"))
            return
        self._socket = None
        if self.near is not None:
            self.near.clear()
        self._problem, self._away_since = str(error or "it hung up"), self._loop.time()
        for request in socket.sent:
            request.replies.clear()
        self._unsent = [*socket.sent, *self._unsent]
        socket.sent.clear()
        self._connect()

    def _watch(self) -> None:
        """Look again when the oldest request's time is up. One timer serves all, as all have the same time."""
        if self._timer is None:
            sent = self._socket.sent if self._socket is not None else ()
            oldest = next(chain(sent, self._unsent), None)
            if oldest is not None:
                self._timer = self._loop.call_at(oldest.deadline, self._give_grace)

    def _give_grace(self) -> None:
        """If the loop itself was held up, replies may have come that it had no time to read."""
        self._timer = self._loop.call_later(GRACE, self._expire)

    def _expire(self) -> None:
        self._timer = None
        now, socket = self._loop.time(), self._socket
        if socket is not None and socket.sent and socket.sent[0].deadline <= now:
            self._lost(socket, TimeoutError(f"no answer for {self._timeout:g} s"))
            socket.drop()
        for request in self._unsent:
            if request.deadline <= now:
                request.finish(self._unavailable())
        self._unsent = self._still_wanted()
        self._watch()

    def _unavailable(self) -> StorageUnavailable:
        problem = "it is closed here" if self._closed else self._problem or "no answer in time"
        return StorageUnavailable(f"Redis at {self._place} cannot be read: {problem}.")

    def _why_not_connected(self, error: Exception) -> str:
        number = error.errno if isinstance(error, OSError) and not isinstance(error, ssl.SSLError) else None
        why = str(error) if number is None or number < 0 else os.strerror(number)
        why = why or "no answer"
        return why + perhaps(why, self._settings.get("connection_class") is SSLConnection, ENCRYPTED)

    @property
    def _place(self) -> str:
        return place(self._settings)


def _heard(future: asyncio.Future[list[Any]]) -> None:
    """Nobody waits for a sign of life; whatever has become of it, others are told when they ask."""
    if not future.cancelled():
        future.exception()
