"""A PostgreSQL with least-privilege roles, as docs/roles.md sets it up."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege

from storage.errors import StorageUnavailable
from storage.postgresql import Postgresql
from storage.postgresql_reads import PostgresqlSource
from storage.relational import Relational
from storage.relational_reads import RelationalReads
from tests.contracts.model import storage, unit
from tests.storage.redis_guarded import ROLES
from tests.storage.roles import do_everything, read_everything

WORKER, READER = "millrace_worker", "millrace_reader"
DATABASE = "roles"


@pytest.fixture
def guarded(postgresql_url: str) -> Iterator[str]:
    """Address of a database of its own, set up by the first statements of the docs; its roles are gone afterwards."""
    before, after = statements()
    with psycopg.connect(postgresql_url, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {DATABASE}".encode())
        try:
            address = urlunsplit(urlsplit(postgresql_url)._replace(path=f"/{DATABASE}"))
            with psycopg.connect(address, autocommit=True) as owner:
                owner.execute(before.encode())
            made = Relational(Postgresql(as_role(address, WORKER)))
            made.storages()
            made.close()
            with psycopg.connect(as_role(address, WORKER), autocommit=True) as worker:
                worker.execute(after.encode())
            yield address
        finally:
            admin.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)".encode())
            admin.execute(f"DROP ROLE IF EXISTS {WORKER}, {READER}".encode())


def statements() -> tuple[str, str]:
    """What the docs tell the owner to run, and then the worker."""
    before, after = re.findall(r"```sql\n(.*?)```", ROLES.read_text("utf-8"), re.DOTALL)
    return before, after


def as_role(address: str, role: str) -> str:
    """The address for a role; on this server nobody is asked for a password."""
    parts = urlsplit(address)
    return urlunsplit(parts._replace(netloc=f"{role}@{parts.hostname}:{parts.port}"))


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
        connection.execute("INSERT INTO millrace_leases VALUES ('x', 1)")
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
