"""A Redis with TLS, passwords and least-privilege users, as docs/roles.md sets it up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.exceptions import NoPermissionError

from storage.errors import StorageUnavailable
from storage.redis.reads import RedisReads
from storage.redis.redis import Redis
from tests.conftest import free_ports
from tests.contracts.model import storage, unit
from tests.storage.guarded import PROBLEMS, READER, WORKER, must_refuse, wrong_url
from tests.storage.redis_guarded import GuardedRedis
from tests.storage.roles import do_everything, read_everything

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedRedis]:
    made = GuardedRedis(tmp_path_factory.mktemp("guarded"), free_ports(1)[0])
    try:
        made.start()
        yield made
    finally:
        made.stop()


async def test_the_users_of_the_docs_can_do_all_that_a_worker_and_a_models_service_need(guarded: GuardedRedis) -> None:
    technology, reads = Redis(guarded.url(WORKER)), RedisReads(guarded.url(READER), room=1_000_000)
    await read_everything(reads, do_everything(technology))
    assert reads.source.connection().near is not None, "it may be told what changes"
    assert list(technology.leases()) == ["redis/counters/views@1"]
    await reads.close()
    technology.close()


@pytest.mark.parametrize(
    "command",
    [
        ("SET", "mr:x", "1"),
        ("HSET", "mr:{catalogue}:storages", "x", "1"),
        ("HSET", "mr:{watching@1}:unit:clicks/0", "next", "9"),
        ("HDEL", "mr:{catalogue}:leases", "x"),
        ("HGET", "other", "x"),
        ("DEL", "mr:{catalogue}:leases"),
        ("EVAL", "return 1", "0"),
        ("FLUSHALL",),
        ("CONFIG", "GET", "*"),
        ("KEYS", "*"),
        ("ACL", "LIST"),
    ],
)
def test_the_reading_user_can_write_its_lease_and_nothing_else(guarded: GuardedRedis, command: tuple[str, ...]) -> None:
    with redis.Redis.from_url(guarded.url(READER)) as client:
        assert client.hset("mr:{catalogue}:leases", "title", "1") in (0, 1)
        with pytest.raises(NoPermissionError):
            client.execute_command(*command)


def test_a_worker_may_ask_whether_rows_are_evicted(guarded: GuardedRedis) -> None:
    with redis.Redis.from_url(guarded.url(WORKER)) as client:
        known: Any = client.info("memory")
    assert (known["maxmemory"], known["maxmemory_policy"]) == (0, "noeviction")


def test_a_learner_with_the_reading_users_address_is_refused(guarded: GuardedRedis) -> None:
    technology = Redis(guarded.url(READER))
    for call in (lambda: technology.declare(storage("counters/other")), lambda: technology.claim(unit(), "a")):
        with pytest.raises(StorageUnavailable, match="permission"):
            call()
    technology.close()


@pytest.mark.parametrize(
    "command",
    [
        ("FLUSHALL",),
        ("FLUSHDB",),
        ("CONFIG", "SET", "dir", "/"),
        ("SHUTDOWN",),
        ("KEYS", "*"),
        ("ACL", "SETUSER", "x"),
        ("SCRIPT", "FLUSH"),
        ("CLIENT", "KILL", "TYPE", "normal"),
        ("MONITOR",),
        ("HSET", "other", "x", "1"),
        ("EVAL", "return redis.call('SET', KEYS[1], 1)", "1", "mr:x"),
        ("EVAL", "return redis.call('HSET', KEYS[1], 'x', 1)", "1", "other"),
    ],
)
def test_a_worker_can_do_nothing_beside_its_rows(guarded: GuardedRedis, command: tuple[str, ...]) -> None:
    with redis.Redis.from_url(guarded.url(WORKER)) as client:
        with pytest.raises(redis.exceptions.ResponseError, match=r"permission|can't run this command|can't access"):
            client.execute_command(*command)


@pytest.mark.parametrize("problem", PROBLEMS)
async def test_neither_side_connects_where_something_is_wrong(
    guarded: GuardedRedis, tmp_path: Path, problem: str
) -> None:
    url = wrong_url(guarded, tmp_path, problem)
    await must_refuse(Redis(url, 1.0), RedisReads(url, 0.5), problem, "WRONGPASS|invalid username-password")


async def test_a_server_that_asks_for_a_clients_certificate_gets_the_addresses(tmp_path: Path) -> None:
    guarded = GuardedRedis(tmp_path, free_ports(1)[0])
    certificate, key = guarded.authority.signed("client")
    try:
        guarded.start("--tls-auth-clients", "yes")
        shown = f"&ssl_certfile={certificate}&ssl_keyfile={key}"
        technology, reads = Redis(guarded.url(WORKER, more=shown)), RedisReads(guarded.url(READER, more=shown))
        assert technology.claim(unit(), "a").epoch == 1
        assert (await reads.listed()).sorted() == []
        nameless, unshown = Redis(guarded.url(WORKER), 1.0), RedisReads(guarded.url(READER), 0.5)
        with pytest.raises(StorageUnavailable):
            nameless.storages()
        with pytest.raises(StorageUnavailable):
            await unshown.listed()
        for side in (technology, nameless):
            side.close()
        for reading in (reads, unshown):
            await reading.close()
    finally:
        guarded.stop()
