"""Cassandra that is killed, away, or guarded: what was acknowledged stays, and who is let in may do what he is for."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile, NoHostAvailable, Session
from cassandra.policies import RoundRobinPolicy

from millrace.stack import StackError
from storage.address import Address
from storage.cassandra.cassandra import Cassandra
from storage.cassandra.reads import CassandraReads
from storage.errors import StorageError, StorageUnavailable, UnknownOutcome
from storage.unit import Outcome
from storage.writes import Writes
from tests.cassandra_node import CassandraNode, cassandra_node
from tests.conftest import free_ports
from tests.contracts.model import COUNTS, RECORDS, storage, unit

KEY = Address(RECORDS, "k")


def counting(position: int) -> Writes:
    return Writes(puts={KEY: str(position).encode()}, sums={Address(COUNTS, "all"): {"x": 1}})


def patiently(step: Callable[[], Outcome]) -> Outcome:
    """The outcome, once the server says it."""
    until = time.monotonic() + 60
    while True:
        try:
            return step()
        except (StorageUnavailable, UnknownOutcome):
            assert time.monotonic() < until
            time.sleep(0.1)


@contextmanager
def node_or_skip(folder: Path, **options: object) -> Iterator[CassandraNode]:
    try:
        with cassandra_node(folder, **options) as node:
            yield node
    except StackError as error:
        pytest.skip(str(error))


@pytest.mark.slow
@pytest.mark.server
@pytest.mark.timeout(900)
def test_what_was_acknowledged_survives_that_the_server_is_killed(tmp_path: Path) -> None:
    with node_or_skip(tmp_path) as node, asyncio.Runner() as runner:
        technology, reads = Cassandra(node.url(), timeout=5), CassandraReads(node.url(), timeout=2)
        claim = technology.claim(unit(), "a")
        for position in range(1, 30):
            technology.commit(claim, position - 1 or None, position, counting(position), None)
        assert runner.run(reads.rows(storage(RECORDS), ["k"])) == [b"29"]
        node.kill()
        with pytest.raises((StorageUnavailable, UnknownOutcome)):
            technology.commit(claim, 29, 30, counting(30), None)
        with pytest.raises(StorageUnavailable, match=f"127.0.0.1:{node.server.port}"):
            runner.run(reads.rows(storage(RECORDS), ["k"]))
        node.start()
        assert patiently(lambda: technology.commit(claim, 29, 30, counting(30), None)) in (Outcome.OK, Outcome.ALREADY)
        assert technology.read(claim, 30, [KEY]) == [b"30"]
        assert dict(technology.dump(storage(COUNTS))) == {Address(COUNTS, "all"): {"x": 30}}
        runner.run(recovered(reads))
        runner.run(reads.close())
        technology.close()


async def recovered(reads: CassandraReads) -> None:
    """The reader finds the server again by itself."""
    async with asyncio.timeout(30):
        while True:
            try:
                assert await reads.rows(storage(RECORDS), ["k"]) == [b"30"]
                return
            except StorageUnavailable:
                await asyncio.sleep(0.05)


async def test_a_cassandra_that_is_not_there_is_said_to_be_unavailable_and_does_not_hold_up_the_loop() -> None:
    [port] = free_ports(1)
    url = f"cassandra://ada:secret@127.0.0.1:{port}/millrace"
    reads = CassandraReads(url, timeout=5)
    ticks, asked = 0, asyncio.create_task(reads.listed())
    while not asked.done():
        await asyncio.sleep(0.001)
        ticks += 1
    with pytest.raises(StorageUnavailable, match=f"127.0.0.1:{port}") as refused:
        await asked
    assert ticks > 1
    with closing(Cassandra(url, timeout=2)) as technology, pytest.raises(StorageUnavailable) as also:
        technology.claim(unit(), "a")
    for error in (refused.value, also.value, reads._session.address):
        assert "secret" not in f"{error} {error!r}"
    await reads.close()


def roles() -> list[str]:
    """The statements that docs/cassandra.md gives for the roles of who writes and who reads."""
    [found] = re.findall(r"```cql\n(.*?)```", Path("docs/cassandra.md").read_text("utf-8"), re.DOTALL)
    return [statement for statement in found.split(";") if statement.strip()]


@contextmanager
def superuser(node: CassandraNode) -> Iterator[Session]:
    """The one that a new cluster has."""
    profile = ExecutionProfile(RoundRobinPolicy(), request_timeout=30)
    until = time.monotonic() + 60
    while True:
        cluster = Cluster(
            ["127.0.0.1"],
            port=node.server.port,
            auth_provider=PlainTextAuthProvider("cassandra", "cassandra"),
            protocol_version=4,
            execution_profiles={EXEC_PROFILE_DEFAULT: profile},
        )
        try:
            session = cluster.connect()
            break
        except NoHostAvailable:
            assert time.monotonic() < until, "the first user is made a little after the start"
            cluster.shutdown()
            time.sleep(0.2)
    yield session
    cluster.shutdown()


@pytest.mark.slow
@pytest.mark.server
@pytest.mark.timeout(900)
def test_the_reading_user_can_read_and_say_so_and_write_nothing_else(tmp_path: Path) -> None:
    guarded = {"authenticator": "PasswordAuthenticator", "authorizer": "CassandraAuthorizer"}
    with node_or_skip(tmp_path, **guarded) as node, superuser(node) as root:
        with closing(Cassandra(node.url("cassandra", "cassandra"), timeout=30)) as first:
            first.storages()
        for statement in roles():
            root.execute(statement)
        with closing(Cassandra(node.url("writer", "w-pass"), timeout=30)) as writer:
            writer.declare(storage(RECORDS))
            claim = writer.claim(unit(), "a")
            assert writer.commit(claim, None, 1, counting(1), None) is Outcome.OK
            asyncio.run(reading(node.url("reader", "r-pass")))
            assert writer.leases() == {"cassandra/records/seen@1": 50}
            writer.declare(storage(RECORDS, version=2))  # which the name could be switched to
        with closing(Cassandra(node.url("reader", "r-pass"), timeout=30)) as thief:
            for attempt in (
                lambda: thief.claim(unit(), "b"),
                lambda: thief.declare(storage(COUNTS)),
                lambda: thief.commit(claim, 1, 2, counting(2), None),
                lambda: thief.switch([storage(RECORDS, version=2)]),
                lambda: thief.fill(storage(RECORDS), Writes(puts={Address(RECORDS, "new"): b""})),
            ):
                with pytest.raises(StorageError, match="refuses reader"):
                    attempt()
        for wrong in (node.url(), node.url("reader", "guessed")):
            with closing(Cassandra(wrong, timeout=10)) as stranger, pytest.raises(StorageError) as refused:
                stranger.storages()
            assert "guessed" not in str(refused.value)
            assert "does not let" in str(refused.value)


async def reading(url: str) -> None:
    """What the models service does."""
    reads = CassandraReads(url, timeout=20)
    assert [item.name for item in (await reads.listed()).sorted()] == ["seen"]
    assert await reads.rows(storage(RECORDS), ["k"]) == [b"1"]
    await reads.lease(["cassandra/records/seen@1"], 50)
    await reads.close()
