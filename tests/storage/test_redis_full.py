"""A Redis that is full: what was loaded can be removed there, and rows that are trimmed are counted no more."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest
import redis

from storage import Address, Ranking, Writes
from storage.descriptor import Descriptor
from storage.errors import StorageUnavailable
from storage.loads.filling import Filling
from storage.redis.reads import RedisReads
from storage.redis.redis import Redis
from storage.retention import Retention
from storage.unit import UnitId
from storage.versions import collect, delete
from storage.watch import Watch

ROOM = 2**20


@pytest.fixture
def full(redis_clean: str) -> Iterator[redis.Redis]:
    """A server that has room for a megabyte, until the test is over."""
    with closing(redis.Redis.from_url(redis_clean)) as client:
        known: Any = client.info("memory")
        client.config_set("maxmemory", known["used_memory"] + ROOM)
        yield client
        client.config_set("maxmemory", 0)


def filled(technology: Redis) -> Filling:
    """A load that has filled the server."""
    filling = Filling(technology, Ranking("popular").describe("", 1, 1, ""), "ada")
    filling.begin()
    with pytest.raises(StorageUnavailable, match="maxmemory"):
        fill(filling)
    return filling


def fill(filling: Filling) -> None:
    for chunk in range(1_000):
        rows = {Address("ranking/popular", f"{chunk}-{row}"): {"x" * 90: 1.0} for row in range(200)}
        filling.fill(Writes(ranks=rows))


def test_a_load_that_does_not_fit_gives_the_room_back(
    redis_clean: str, full: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(Redis(redis_clean)) as technology:
        filled(technology).abandon()
        assert technology.storages() == []
        assert not list(full.scan_iter("mr:{load*"))
        assert technology.claim(UnitId("learner", 1, 1, "clicks", 0), "owner").epoch == 1, "learners go on"
    assert caplog.record_tuples == []


def test_what_a_killed_load_has_filled_the_server_with_can_be_removed(redis_clean: str, full: redis.Redis) -> None:
    with closing(Redis(redis_clean)) as technology:
        filled(technology)
        with pytest.raises(StorageUnavailable):
            technology.claim(UnitId("learner", 1, 1, "clicks", 0), "owner")
        watch = Watch(iter([0.0, 60.0]).__next__)
        assert collect(technology, Retention(), watch) == []
        assert [item.version for item in collect(technology, Retention(), watch)] == [1]
        filled(technology)
        assert delete(technology, "ranking", "popular", 1, force=True) == 1
        assert technology.storages() == []


def test_what_cannot_be_erased_is_said(redis_clean: str, caplog: pytest.LogCaptureFixture) -> None:
    with closing(Redis(redis_clean)) as technology:
        filling = Filling(technology, Ranking("popular").describe("", 1, 1, ""), "ada")
        filling.begin()
    filling._technology = Redis("redis://127.0.0.1:1")
    with caplog.at_level(logging.WARNING):
        filling.abandon()
    [said] = caplog.messages
    assert "redis/ranking/popular@1 is not erased" in said
    assert "millrace storages collect" in said


def test_rows_that_are_trimmed_while_late_events_come_are_counted_as_they_are(redis_clean: str) -> None:
    item = Descriptor("redis", "ranking", "t", 1, "t@1", 1, "clicks", {"half_life_ms": 1000}, None, "2026-01-01")
    with closing(Redis(redis_clean)) as technology:
        technology.declare(item)

        def late(partition: int) -> None:
            claim = technology.claim(UnitId("t", 1, 1, "clicks", partition), str(partition))
            for at in range(300):
                rows = {Address("ranking/t", f"k{at % 7}", bucket): {f"m{at % 5}": 1.0} for bucket in (0, 1, 9)}
                technology.commit(claim, at or None, at + 1, Writes(scores=rows), None)

        def trimmed(_: int) -> None:
            for _ in range(150):
                technology.trim(item, 9)

        with ThreadPoolExecutor(4) as pool:
            for done in [*(pool.submit(late, n) for n in (0, 1)), *(pool.submit(trimmed, n) for n in (0, 1))]:
                done.result()
        there = sum(len(row) for _, row in technology.dump(item))
        assert asyncio.run(counted(redis_clean, item)) == there


async def counted(url: str, item: Descriptor) -> int | None:
    reads = RedisReads(url)
    try:
        return await reads.count(item)
    finally:
        await reads.close()
