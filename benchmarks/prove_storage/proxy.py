"""A TCP proxy whose connections can be cut: a network that fails, on one machine."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

T = TypeVar("T")

_PIECE = 1 << 16


class Proxy:
    """Forwards a port of its own to a server, from a thread of its own, until it is closed.

    Attributes:
        cuts: connections cut so far.
    """

    def __init__(self, url: str) -> None:
        """
        Args:
            url: the server's address; only its host and port are looked at.
        """
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port
        self._url = url
        self.cuts = 0
        self._open: set[asyncio.StreamWriter] = set()
        self._mute = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy")
        self._thread.start()
        self._server = self._do(asyncio.start_server(self._connected, "127.0.0.1", 0))

    @property
    def url(self) -> str:
        """The server's url, by way of the proxy."""
        parts = urlsplit(self._url)
        user, at, _ = parts.netloc.rpartition("@")
        return urlunsplit(parts._replace(netloc=f"{user}{at}127.0.0.1:{self.port}"))

    @property
    def port(self) -> int:
        """The proxy's own."""
        return int(self._server.sockets[0].getsockname()[1])

    def cut(self, silence: float = 0.0) -> int:
        """Break every connection; returns how many there were. Blocks for the silence.

        Args:
            silence: seconds before that, during which requests get through and their replies do not.
        """
        return self._do(self._cut(silence))

    def close(self) -> None:
        """Stop, with all connections."""
        self._server.close()
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)

    async def _cut(self, silence: float) -> int:
        self._mute = True
        await asyncio.sleep(silence)
        count = len(self._open) // 2
        for writer in list(self._open):
            writer.transport.abort()
        self._mute = False
        self.cuts += count
        return count

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            server_reader, server_writer = await asyncio.open_connection(self._host, self._port)
        except OSError:
            writer.transport.abort()
            return
        both = {writer, server_writer}
        self._open |= both
        try:
            await asyncio.gather(self._pump(reader, server_writer, False), self._pump(server_reader, writer, True))
        finally:
            self._open -= both

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, replies: bool) -> None:
        with suppress(OSError):
            while piece := await reader.read(_PIECE):
                if not (replies and self._mute):
                    writer.write(piece)
                    await writer.drain()
        writer.transport.abort()
