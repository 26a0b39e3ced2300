"""What another program has written into a Redis, past everything that Millrace checks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import httpx
import pytest
import redis
from starlette.applications import Starlette

from serving.storages.routes import StoragesRoutes
from serving.storages.storages import Storages
from storage import Address, Catalogue, Writes
from storage.descriptor import Descriptor
from storage.errors import SuspectGeneration
from storage.formats.blank import blank
from storage.redis.reads import RedisReads
from storage.redis.redis import Redis
from storage.unit import UnitId
from storage.versions import create, delete, trim

UNIT = "mr:{clicking@1}:unit:clicks/0"
UNITS = "mr:{clicking@1}:units"


@pytest.fixture
def technology(redis_clean: str) -> Iterator[Redis]:
    """With a counter that a learner writes, and another one that nobody does."""
    with closing(Redis(redis_clean)) as technology:
        written = technology.declare(_counters())
        claim = technology.claim(UnitId("clicking", 1, 1, "clicks", 0), "owner")
        technology.commit(claim, None, 1, Writes(sums={Address(written.storage, "k"): {"x": 1}}), 1_000)
        create(technology, blank("redis", "counters", "other", {}), "ada")
        yield technology


@pytest.fixture
def scribble(redis_clean: str) -> Iterator[redis.Redis]:
    with closing(redis.Redis.from_url(redis_clean)) as client:
        yield client


def _counters() -> Descriptor:
    return _learned(blank("redis", "counters", "views", {}))


def _learned(item: Descriptor) -> Descriptor:
    return replace(item, technology="redis", writer="clicking@1", topic="clicks", created="2026-01-01")


@pytest.mark.parametrize("wrong", ["next", "member", "bytes", "kind"])
async def test_fences_that_cannot_be_read_hide_no_storage(
    technology: Redis, scribble: redis.Redis, redis_clean: str, wrong: str
) -> None:
    match wrong:
        case "next":
            scribble.hset(UNIT, "next", "soon")
        case "member":
            scribble.sadd(UNITS, "clicks/first")
        case "bytes":
            scribble.sadd(UNITS, b"\xff/1")
        case "kind":
            scribble.delete(UNITS)
            scribble.set(UNITS, "x")
    catalogue = Catalogue({"redis": RedisReads(redis_clean)})
    await catalogue.refresh()
    assert [item.title for item in catalogue.storages()] == ["redis/counters/other@1", "redis/counters/views@1"]
    assert catalogue.health()["redis"].error is None
    assert bool(catalogue.damaged()) == (wrong != "bytes"), "a topic that is no text is another learner's"
    await catalogue.reads("redis").close()
    if wrong != "bytes":
        with pytest.raises(SuspectGeneration):
            technology.units(_counters())
    if wrong != "kind":
        assert delete(technology, "counters", "views", force=True) == 1


@pytest.mark.parametrize(
    ("field", "value"), [(b"x", "many"), (b"\xff", "1"), (b"x", "1" * 40)], ids=["no number", "no text", "too large"]
)
async def test_a_row_that_cannot_be_read_is_no_fault_of_the_service(
    technology: Redis, scribble: redis.Redis, redis_clean: str, field: bytes, value: str
) -> None:
    scribble.hset("mr:{clicking@1}:counters/views::k", field, value)
    scribble.hset(UNIT, "watermark", 10**17)
    scribble.hset("mr:{clicking@1}:counters/views", b"\xff", b"")
    catalogue = Catalogue({"redis": RedisReads(redis_clean)})
    await catalogue.refresh()
    storages = Storages(catalogue, {"redis": technology}, catalogue.refresh)
    routes = StoragesRoutes(storages, dict).routes()
    shop = httpx.AsyncClient(transport=httpx.ASGITransport(Starlette(routes=routes)), base_url="http://shop")
    async with shop as client:
        shown = await client.get("/storages/redis/counters/views")
        assert shown.json()["positions"][0]["events_up_to"] is None, "no calendar has that moment"
        answer = await client.get("/storages/redis/counters/views/rows/k")
    await storages.close()
    await catalogue.reads("redis").close()
    if answer.status_code != 200:
        assert (answer.status_code, answer.json()["type"]) == (503, "urn:millrace:problem:storage-damaged")
        assert "retry-after" not in answer.headers, "it does not pass by itself"
        assert "is not as its writer leaves it" in answer.json()["detail"]
    else:
        assert answer.json()["value"]["x"] == int(value)


def test_a_position_that_is_no_number_stops_its_unit(technology: Redis, scribble: redis.Redis) -> None:
    scribble.hset(UNIT, "next", "soon")
    with pytest.raises(SuspectGeneration, match="where a number should be"):
        technology.claim(UnitId("clicking", 1, 1, "clicks", 0), "another")


def test_a_watermark_that_is_no_number_stops_its_unit(technology: Redis, scribble: redis.Redis) -> None:
    claim = technology.claim(UnitId("clicking", 1, 1, "clicks", 0), "another")
    scribble.hset(UNIT, "watermark", "soon")
    with pytest.raises(SuspectGeneration, match="where a number should be"):
        technology.commit(claim, 1, 2, Writes(puts={Address("records/seen", "k"): b"x"}), 2_000)


def test_keys_that_are_no_rows_keep_no_row_from_going(technology: Redis, scribble: redis.Redis) -> None:
    item = technology.declare(_learned(blank("redis", "ranking", "hot", {"half_life": "1s"})))
    claim = technology.claim(UnitId("clicking", 1, 1, "clicks", 0), "another")
    rows = {Address(item.storage, "k", bucket): {"a": 1.0} for bucket in (1, 9)}
    technology.commit(claim, 1, 2, Writes(scores=rows), 1_000)
    scribble.zadd("mr:{clicking@1}:ranking/hot:first:k", {"a": -1.0})
    scribble.zadd(b"mr:{clicking@1}:ranking/hot:1:\xff", {"a": -1.0})
    trim(technology, {})
    left = scribble.keys("mr:{clicking@1}:ranking/hot:*")
    assert sorted(left) == [
        b"mr:{clicking@1}:ranking/hot:1:\xff",
        b"mr:{clicking@1}:ranking/hot:9:k",
        b"mr:{clicking@1}:ranking/hot:first:k",
    ]
