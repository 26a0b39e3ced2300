"""A PostgreSQL of one test's own, to be killed and started again, and proxies that are a bad, or a secret, network."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import psutil

from millrace.stack.postgresql import PostgresqlServer


class OwnPostgresql:
    """A real server that only this test knows, with its data in a folder of its own."""

    def __init__(self, folder: Path, port: int) -> None:
        self._server = PostgresqlServer(folder, port)
        self._process: subprocess.Popen[bytes] | None = None
        self.url = self._server.address

    def start(self) -> None:
        """Start it, over the data that it has left, and wait until it answers."""
        self._server.fetch(show=False)
        self._server.prepare()
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(self._server.command(), stdout=quiet, stderr=quiet)
        until = time.monotonic() + 30
        while not self._server.ready():
            assert time.monotonic() < until, "it does not answer"
            time.sleep(0.01)

    def kill(self) -> None:
        """SIGKILL, its parts too. Does nothing where it does not run."""
        if self._process is not None:
            family = self._family()
            for process in family:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            self._process.wait()
            psutil.wait_procs(family, 10)
            self._process = None

    def pause(self) -> None:
        """It takes connections, as the system does that, and says nothing."""
        for process in self._family():
            process.suspend()

    def resume(self) -> None:
        """It goes on."""
        for process in self._family():
            process.resume()

    def _family(self) -> list[psutil.Process]:
        assert self._process is not None
        process = psutil.Process(self._process.pid)
        return [process, *process.children(recursive=True)]


class Cutting:
    """A network that breaks off when a client says a word: before the server hears it, or before it can answer.

    Attributes:
        word: which; None = it works.
        heard: the server still hears it.
        cuts: how often it broke off.
    """

    def __init__(self, port: int) -> None:
        self.word: bytes | None = None
        self.heard, self.cuts, self._target = True, 0, port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                threading.Thread(target=self._ask, args=(client, server), daemon=True).start()
                threading.Thread(target=self._pass, args=(server, client), daemon=True).start()

    def _ask(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := client.recv(1 << 16):
                if self.word is not None and self.word in data:
                    self._cut(client, server, data)
                    break
                server.sendall(data)
        for end in (client, server):
            end.close()

    def _cut(self, client: socket.socket, server: socket.socket, data: bytes) -> None:
        """Where the server is to hear it, wait until it has done it: it hangs up when it finds that nobody is there."""
        self.word, self.cuts = None, self.cuts + 1
        client.shutdown(socket.SHUT_RDWR)
        if self.heard:
            server.sendall(data)
            server.shutdown(socket.SHUT_WR)
            with suppress(OSError):
                while server.recv(1 << 16):
                    pass

    def _pass(self, server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while data := server.recv(1 << 16):
                client.sendall(data)


@contextmanager
def cutting(port: int) -> Iterator[Cutting]:
    """Such a network before a port of this machine."""
    made = Cutting(port)
    try:
        yield made
    finally:
        made.close()


@asynccontextmanager
async def secret(port: int, context: ssl.SSLContext) -> AsyncIterator[int]:
    """A port that speaks PostgreSQL's TLS, before a server that does not; the package's has none."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            assert struct.unpack("!ii", await reader.readexactly(8))[1] == 80_877_103, "a client that asks for no TLS"
            writer.write(b"S")
            await writer.start_tls(context)
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.gather(_flow(reader, there_writer), _flow(there_reader, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield int(server.sockets[0].getsockname()[1])


async def _flow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    writer.transport.abort()
