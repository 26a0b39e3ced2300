"""One socket to Redis: what was sent on it, and the replies in their order."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import hiredis
from redis.connection import SSLConnection

from storage.redis.lookup import Command
from storage.redis.near import Near
from storage.redis.request import ReplyError, Request


class Socket(asyncio.Protocol):
    """One socket's life: what was sent on it and waits for replies, first in, first out.

    A request that was cancelled keeps its place, so that its replies meet it and nothing else.

    Args:
        near: is told what Redis says has changed, between the replies; None = nobody is.
    """

    def __init__(
        self,
        lost: Callable[[Socket, Exception | None], None],
        writable: Callable[[], None],
        near: Near | None = None,
    ) -> None:
        self._near = near
        self.sent: deque[Request] = deque()
        self.paused = False
        self._lost, self._writable = lost, writable
        self._transport: asyncio.Transport | None = None
        self._refused: ReplyError | None = None
        self._nothing = object()
        self._reader = hiredis.Reader(replyError=self._refuse, notEnoughData=self._nothing)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def send(self, requests: list[Request]) -> None:
        assert self._transport is not None
        self.sent.extend(requests)
        self._transport.write(b"".join([request.packed for request in requests]))

    def data_received(self, data: bytes) -> None:
        sent, reader, nothing = self.sent, self._reader, self._nothing
        try:
            reader.feed(data)
            while (reply := reader.gets()) is not nothing:
                if type(reply) is hiredis.PushNotification:
                    self._told(reply)
                elif sent[0].take(reply):
                    self._answer(sent.popleft())
        except (hiredis.ProtocolError, IndexError):  # not a Redis, or a reply that nobody asked for
            self.drop()

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False
        self._writable()

    def connection_lost(self, error: Exception | None) -> None:
        self._lost(self, error)

    @property
    def is_open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def drop(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _answer(self, request: Request) -> None:
        refused, self._refused = self._refused, None
        if self._near is not None:
            self._near.answered(request.began)
        request.finish(refused)

    def _told(self, message: Sequence[Any]) -> None:
        """What Redis says without being asked."""
        if self._near is not None and message[0] == b"invalidate":
            self._near.changed(message[1])

    def _refuse(self, message: str) -> ReplyError:
        """Called by the reader for each error, however deep in a reply. What follows the first may come of it."""
        error = ReplyError(message)
        self._refused = self._refused or error
        return error


async def open_socket(settings: Mapping[str, Any], socket: Socket) -> None:
    """Connect to where `connection_settings` says; `socket` is the protocol. Raises OSError."""
    loop = asyncio.get_running_loop()
    if "path" in settings:
        await loop.create_unix_connection(lambda: socket, settings["path"])
    else:
        host, port = settings.get("host", "localhost"), settings.get("port", 6379)
        await loop.create_connection(lambda: socket, host, port, ssl=_tls(settings))


def greeting(settings: Mapping[str, Any]) -> list[Command]:
    """What a new socket says first. Redis refuses the PING while it still loads its data."""
    hello: Command = ("HELLO", 3)
    if "password" in settings:
        hello += ("AUTH", settings.get("username", "default"), settings["password"])
    return [hello, ("SELECT", settings.get("db", 0)), ("PING",)]


def _tls(settings: Mapping[str, Any]) -> ssl.SSLContext | None:
    if settings.get("connection_class") is not SSLConnection:
        return None
    context = ssl.create_default_context(cafile=settings.get("ssl_ca_certs"))
    if "ssl_certfile" in settings:
        context.load_cert_chain(settings["ssl_certfile"], settings.get("ssl_keyfile"), settings.get("ssl_password"))
    if settings.get("ssl_check_hostname") is False or settings.get("ssl_cert_reqs") == "none":
        context.check_hostname = False
    if settings.get("ssl_cert_reqs") == "none":
        context.verify_mode = ssl.CERT_NONE
    return context
