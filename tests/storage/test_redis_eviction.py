"""A Redis that is set up as a cache, and would remove rows without a word, is not written to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
import redis

from storage.errors import StorageUnavailable
from storage.redis.cluster import RedisCluster
from storage.redis.redis import Redis
from storage.unit import Outcome
from tests.contracts.model import COUNTS, storage, unit
from tests.storage.roles import everything

ROOM = 1 << 30


@contextmanager
def policy(url: str, name: str, room: int = ROOM) -> Iterator[redis.Redis]:
    """A server with this maxmemory-policy, as long as the block lasts."""
    with closing(redis.Redis.from_url(url)) as client:
        client.config_set("maxmemory", room)
        client.config_set("maxmemory-policy", name)
        try:
            yield client
        finally:
            client.config_set("maxmemory-policy", "noeviction")
            client.config_set("maxmemory", 0)


@pytest.fixture
def technology(redis_clean: str) -> Iterator[Redis]:
    with closing(Redis(redis_clean)) as technology:
        yield technology


@pytest.mark.parametrize("name", ["allkeys-lru", "allkeys-lfu", "allkeys-random"])
def test_what_evicts_rows_is_refused_until_it_is_set_up_otherwise(
    technology: Redis, redis_clean: str, name: str
) -> None:
    said = rf"{name}, with a maxmemory of {ROOM} bytes.*noeviction"
    with policy(redis_clean, name) as client:
        with pytest.raises(StorageUnavailable, match=said):
            technology.declare(storage(COUNTS))
        with pytest.raises(StorageUnavailable, match=said):
            technology.claim(unit(), "a")
        assert client.dbsize() == 0
    assert technology.declare(storage(COUNTS)).version == 1, "the same connection goes on"
    assert technology.claim(unit(), "a").epoch == 1


@pytest.mark.parametrize(("name", "room"), [("volatile-lru", ROOM), ("noeviction", ROOM), ("allkeys-lru", 0)])
def test_what_evicts_no_row_is_taken(technology: Redis, redis_clean: str, name: str, room: int) -> None:
    with policy(redis_clean, name, room):
        technology.declare(storage(COUNTS))
        assert technology.commit(technology.claim(unit(), "a"), None, 1, everything(), None) is Outcome.OK


@pytest.mark.parametrize("forbidden", ["-info", "-@dangerous"])
def test_a_role_that_may_not_ask_goes_on(redis_clean: str, forbidden: str) -> None:
    with policy(redis_clean, "allkeys-lru") as client:
        client.acl_setuser("plain", enabled=True, passwords=["+x"], keys=["mr:*"], commands=["+@all", forbidden])
        try:
            with closing(Redis(redis_clean.replace("://", "://plain:x@"))) as technology:
                technology.declare(storage(COUNTS))
                assert technology.claim(unit(), "a").epoch == 1
        finally:
            client.acl_deluser("plain")


def test_each_node_of_a_cluster_is_asked(redis_cluster_url: str, redis_cluster_ports: list[int]) -> None:
    with closing(RedisCluster(redis_cluster_url)) as technology:
        technology.declare(storage(COUNTS))
        for number, port in enumerate(redis_cluster_ports):
            with policy(f"redis://127.0.0.1:{port}", "allkeys-lru"):
                with pytest.raises(StorageUnavailable, match=f"{port}.*noeviction"):
                    technology.declare(storage(COUNTS))
                with pytest.raises(StorageUnavailable, match=f"{port}.*noeviction"):
                    technology.claim(unit(), f"owner-{number}")
        assert technology.claim(unit(), "last").next is None
