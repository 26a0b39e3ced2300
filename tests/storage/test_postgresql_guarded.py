"""A PostgreSQL with TLS, passwords and least-privilege roles, as docs/roles.md sets it up."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege

from storage.errors import StorageUnavailable
from storage.relational.postgresql import Postgresql
from storage.relational.postgresql_reads import PostgresqlSource
from storage.relational.reads import RelationalReads
from storage.relational.relational import Relational
from tests.contracts.model import storage, unit
from tests.storage.certificates import Authority
from tests.storage.guarded import READER, WORKER
from tests.storage.postgresql_guarded import TlsBefore, as_role, guarded_database
from tests.storage.roles import do_everything, read_everything


@pytest.fixture(scope="module")
def guarded(postgresql_url: str) -> Iterator[str]:
    with guarded_database(postgresql_url) as address:
        yield address


async def test_the_roles_of_the_docs_can_do_all_that_a_worker_and_a_models_service_need(guarded: str) -> None:
    technology = Relational(Postgresql(as_role(guarded, WORKER)))
    reads = RelationalReads(PostgresqlSource(as_role(guarded, READER)))
    await read_everything(reads, do_everything(technology))
    assert list(technology.leases()) == ["relational/counters/views@1"]
    await reads.close()
    technology.close()


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO millrace_storages VALUES ('x', 1, '{}')",
        "UPDATE millrace_units SET next = 9",
        "DELETE FROM millrace_aliases",
        "DELETE FROM millrace_leases",
        "TRUNCATE millrace_newest",
        "DROP TABLE millrace_tables",
        "CREATE TABLE mine (x int)",
        "CREATE ROLE other SUPERUSER",
        "COPY millrace_leases TO PROGRAM 'cat'",
    ],
)
def test_the_reading_role_can_write_its_lease_and_nothing_else(guarded: str, statement: str) -> None:
    with psycopg.connect(as_role(guarded, READER), autocommit=True) as connection:
        connection.execute("INSERT INTO millrace_leases VALUES ('x', 1) ON CONFLICT (title) DO UPDATE SET until_ms = 2")
        with pytest.raises(InsufficientPrivilege):
            connection.execute(statement.encode())


def test_a_learner_with_the_reading_roles_address_is_refused(guarded: str) -> None:
    technology = Relational(Postgresql(as_role(guarded, READER)))
    for call in (lambda: technology.declare(storage("counters/other")), lambda: technology.claim(unit(), "a")):
        with pytest.raises(StorageUnavailable, match="permission denied"):
            call()
    technology.close()


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE ROLE other SUPERUSER",
        "ALTER SYSTEM SET fsync = off",
        "CREATE DATABASE other",
        "COPY millrace_leases TO PROGRAM 'cat'",
        "SELECT pg_read_file('postgresql.conf')",
        "SELECT rolpassword FROM pg_authid",
    ],
)
def test_a_worker_can_do_nothing_beside_its_schema(guarded: str, statement: str) -> None:
    with psycopg.connect(as_role(guarded, WORKER), autocommit=True) as connection:
        with pytest.raises(InsufficientPrivilege):
            connection.execute(statement.encode())


async def test_a_wrong_password_is_refused_and_not_told(guarded: str) -> None:
    address = as_role(guarded, WORKER, "wrong-one")
    technology, reads = Relational(Postgresql(address)), RelationalReads(PostgresqlSource(address))
    with pytest.raises(StorageUnavailable, match="password authentication failed") as written:
        technology.storages()
    with pytest.raises(StorageUnavailable, match="password authentication failed") as read:
        (await reads.listed()).sorted()
    assert "wrong-one" not in f"{written.value}{read.value}"
    await reads.close()
    technology.close()


@pytest.mark.parametrize("trusted", [True, False])
async def test_verify_full_is_tls_whose_certificate_is_checked(guarded: str, tmp_path: Path, trusted: bool) -> None:
    authority = Authority(tmp_path, "authority")
    before = TlsBefore(guarded, authority.signed("server"))
    port = await before.start()
    file = authority.file if trusted else Authority(tmp_path, "other").file
    role = as_role(guarded, WORKER).replace(
        f"{urlsplit(guarded).hostname}:{urlsplit(guarded).port}", f"localhost:{port}"
    )
    address = f"{role}?sslmode=verify-full&sslrootcert={file}"
    technology, reads = Relational(Postgresql(address)), RelationalReads(PostgresqlSource(address, timeout=5))
    if trusted:
        assert await asyncio.to_thread(technology.storages) == (await reads.listed()).sorted()
    else:
        with pytest.raises(StorageUnavailable, match="certificate verify failed"):
            await asyncio.to_thread(technology.storages)
        with pytest.raises(StorageUnavailable, match="certificate verify failed"):
            (await reads.listed()).sorted()
    await reads.close()
    technology.close()
    await before.close()
