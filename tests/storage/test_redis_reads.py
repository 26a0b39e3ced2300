"""What only Redis can do wrong while it is read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from storage.address import Address
from storage.errors import StorageUnavailable, SuspectGeneration
from storage.redis.keys import Keys
from storage.redis.lookup import TOP, packed
from storage.redis.reads import RedisReads
from storage.redis.redis import Redis
from storage.writes import Writes
from tests.contracts.model import COUNTS, PLACES, RECORDS, storage, unit


@pytest.fixture
async def reads(redis_clean: str) -> AsyncIterator[RedisReads]:
    """Over a storage with one row of each kind."""
    technology = Redis(redis_clean)
    writes = Writes(
        puts={Address(RECORDS, "k"): b"x"},
        sums={Address(COUNTS, "k"): {"x": 10**10}},
        ranks={Address(PLACES, "k"): {"x": 1.0}},
    )
    technology.commit(technology.claim(unit(), "a"), None, 1, writes, 1_800_000_000_000)
    technology.close()
    made = RedisReads(redis_clean, timeout=10)
    yield made
    await made.close()


async def test_round_numbers_are_read_as_they_were_written(reads: RedisReads) -> None:
    """Redis itself may write 10**10 as 1e+10."""
    assert await reads.sums(storage(COUNTS), ["k"]) == [{"x": 10**10}]
    assert [state.watermark_ms for state in await reads.units(storage(COUNTS))] == [1_800_000_000_000]


async def test_a_row_of_a_wrong_type_is_suspect_and_harms_no_other_read(reads: RedisReads, redis_clean: str) -> None:
    with redis.Redis.from_url(redis_clean) as raw:
        raw.lpush(Keys("watching", 1).row(Address(COUNTS, "bad")), "x")
    bad, good, top = await asyncio.gather(
        reads.sums(storage(COUNTS), ["bad"]),
        reads.sums(storage(COUNTS), ["k"]),
        reads.top(storage(PLACES), [Address(PLACES, "k")], 1),
        return_exceptions=True,
    )
    assert isinstance(bad, SuspectGeneration)
    assert good == [{"x": 10**10}]
    assert not isinstance(top, BaseException)
    assert top[1] == [[("x", 1.0)]]


async def test_another_event_loop_has_a_connection_of_its_own(reads: RedisReads) -> None:
    async def elsewhere() -> list[bytes | None]:
        try:
            return await reads.rows(storage(RECORDS), ["k"])
        finally:
            await reads.close()

    with ThreadPoolExecutor(1) as pool:
        for _ in range(3):
            assert await asyncio.wrap_future(pool.submit(asyncio.run, elsewhere())) == [b"x"]
            assert await reads.rows(storage(RECORDS), ["k"]) == [b"x"]


async def test_after_close_reads_fail(reads: RedisReads) -> None:
    assert await reads.rows(storage(RECORDS), ["k"]) == [b"x"]
    await reads.close()
    with pytest.raises(StorageUnavailable, match="closed"):
        await reads.rows(storage(RECORDS), ["k"])


async def test_a_redis_that_refuses_to_be_read_is_unavailable(redis_clean: str) -> None:
    with redis.Redis.from_url(redis_clean) as raw:
        raw.acl_setuser("half", enabled=True, passwords=["+pw"], keys=["*"], commands=["+ping", "+select", "+hello"])
        reads = RedisReads(redis_clean.replace("redis://", "redis://half:pw@"))
        try:
            with pytest.raises(StorageUnavailable, match="NOPERM"):
                (await reads.listed()).sorted()
        finally:
            await reads.close()
            raw.acl_deluser("half")


@given(key=st.text(st.characters(exclude_categories=["Cs"])), size=st.integers(1, 10**6))
def test_what_is_packed_by_hand_is_what_hiredis_packs(key: str, size: int) -> None:
    assert TOP.pack(key, size) == packed(TOP.command(key, size))
