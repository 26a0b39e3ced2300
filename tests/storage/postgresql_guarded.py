"""A database with the roles of docs/roles.md, which asks them for their passwords, and TLS before it."""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg

from storage.relational.postgresql import Postgresql
from storage.relational.relational import Relational
from tests.storage.guarded import PASSWORD, READER, ROLES, WORKER

DATABASE = "roles"


def statements() -> tuple[str, str]:
    """What the docs tell the owner to run, and then the worker, with this test's password."""
    before, after = re.findall(r"```sql\n(.*?)```", ROLES.read_text("utf-8"), re.DOTALL)
    return before.replace("'PASSWORD'", f"'{PASSWORD}'"), after


def as_role(address: str, role: str, password: str = PASSWORD) -> str:
    """The address for a role."""
    parts = urlsplit(address)
    return urlunsplit(parts._replace(netloc=f"{role}:{password}@{parts.hostname}:{parts.port}"))


@contextmanager
def guarded_database(server: str) -> Iterator[str]:
    """Address of a database of its own, set up by the statements of the docs; its roles are gone afterwards."""
    before, after = statements()
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {DATABASE}".encode())
        try:
            address = urlunsplit(urlsplit(server)._replace(path=f"/{DATABASE}"))
            with psycopg.connect(address, autocommit=True) as owner:
                owner.execute(before.encode())
            with _asking_for_passwords(admin, address):
                made = Relational(Postgresql(as_role(address, WORKER)))
                made.storages()
                made.close()
                with psycopg.connect(as_role(address, WORKER), autocommit=True) as worker:
                    worker.execute(after.encode())
                yield address
        finally:
            admin.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)".encode())
            admin.execute(f"DROP ROLE IF EXISTS {WORKER}, {READER}".encode())


@contextmanager
def _asking_for_passwords(admin: psycopg.Connection[tuple[object, ...]], address: str) -> Iterator[None]:
    """The server lets everybody in; while the block runs it asks who comes here as one of the roles."""
    row = admin.execute("SHOW hba_file").fetchone()
    assert row is not None
    file = Path(str(row[0]))
    usual = file.read_text("utf-8")
    file.write_text(f"host {DATABASE} {WORKER},{READER} all scram-sha-256\n{usual}", "utf-8")
    try:
        admin.execute("SELECT pg_reload_conf()")
        until = time.monotonic() + 20
        while _lets_in(as_role(address, READER, "wrong")):
            assert time.monotonic() < until, "it does not ask for passwords"
        yield
    finally:
        file.write_text(usual, "utf-8")
        admin.execute("SELECT pg_reload_conf()")


def _lets_in(address: str) -> bool:
    try:
        psycopg.connect(address).close()
    except psycopg.OperationalError:
        return False
    return True


class TlsBefore:
    """Speaks TLS with PostgreSQL's clients, in its way, and plainly with the server behind it."""

    def __init__(self, server: str, certificate: tuple[Path, Path]) -> None:
        parts = urlsplit(server)
        self._target = parts.hostname, parts.port
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.load_cert_chain(*certificate)
        self._serving: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> int:
        """Listen; returns the port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._serving):
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            await reader.readexactly(8)  # an SSLRequest
            writer.write(b"S")
            await writer.start_tls(self._context)
            there_reader, there_writer = await asyncio.open_connection(*self._target)
            try:
                await asyncio.gather(_pass(reader, there_writer), _pass(there_reader, writer))
            finally:
                there_writer.transport.abort()
        except (OSError, EOFError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()
            self._serving.discard(task)


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    writer.transport.abort()
