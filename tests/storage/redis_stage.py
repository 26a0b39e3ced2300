"""A Redis of one test's own, to be killed and started again, and a proxy that is a bad network."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from millrace.stack.redis import RedisServer


class OwnRedis:
    """A real server that only this test knows, with its data in a folder of its own."""

    def __init__(self, folder: Path, port: int) -> None:
        self._server = RedisServer(folder, port)
        self._process: subprocess.Popen[bytes] | None = None
        self.url = self._server.address

    def start(self) -> None:
        """Start it, over the data that it has left, and wait until it answers."""
        self._server.prepare()
        self._process = subprocess.Popen(self._server.command(), stdout=subprocess.DEVNULL)
        until = time.monotonic() + 20
        while not self._server.ready():
            assert time.monotonic() < until, "it does not answer"
            time.sleep(0.01)

    def kill(self) -> None:
        """SIGKILL. Does nothing where it does not run."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


class Proxy:
    """Between a client and Redis, on a port of its own.

    Attributes:
        writes: what arrived from clients, piece by piece.
        stalled: while it is cleared nothing passes in either direction.
        allowance: bytes of the next replies that pass before all connections are cut, once; None = all.
    """

    def __init__(self, port: int, context: ssl.SSLContext | None = None) -> None:
        self._target, self._context = port, context
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self.writes: list[bytes] = []
        self.allowance: int | None = None
        self.stalled = asyncio.Event()
        self.stalled.set()

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._context)

    async def close(self) -> None:
        """Listen no more, cut what is open, and wait until nothing of it is left."""
        assert self._server is not None
        self._server.close()
        self.stalled.set()
        await asyncio.sleep(0)  # what was accepted is being served from the next tick on
        for task in list(self._serving):
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def cut(self) -> None:
        """End every connection at once."""
        for writer in self._open:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        self._open.add(writer)
        try:
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._target)
            self._open.add(there_writer)
            try:
                await asyncio.gather(self._ask(reader, there_writer), self._answer(there_reader, writer))
            finally:
                there_writer.transport.abort()
                self._open.discard(there_writer)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()
            self._open.discard(writer)
            self._serving.discard(task)

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(1 << 20):
                await self.stalled.wait()
                self.writes.append(data)
                writer.write(data)
                await writer.drain()
        writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(1 << 20):
                await self.stalled.wait()
                writer.write(data[: self.allowance])
                await writer.drain()
                if self.allowance is not None:
                    self.allowance = None
                    self.cut()
        writer.transport.abort()
