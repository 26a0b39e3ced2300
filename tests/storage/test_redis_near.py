"""The near cache on a real Redis: what is read twice, what others write meanwhile, and a connection that is lost."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import tracemalloc
from collections.abc import AsyncIterator, Iterator

import pytest
import redis

from storage.address import Address
from storage.catalogue import Catalogue
from storage.errors import StorageUnavailable, SuspectGeneration
from storage.formats.counters_reader import CountersReader
from storage.redis.keys import Keys
from storage.redis.near import TRUST, Near
from storage.redis.reads import RedisReads
from storage.redis.redis import Redis
from storage.unit import Claim, Outcome
from storage.writes import Writes
from tests.contracts.model import COUNTS, PLACES, RECORDS, TREND, storage, unit
from tests.storage.redis_stage import Proxy

MEGABYTE = 1_000_000


class Writer:
    """A unit that commits whatever it is told."""

    def __init__(self, url: str) -> None:
        self._redis = Redis(url, timeout=20)
        self._claim: Claim = self._redis.claim(unit(), "a")
        self._position: int | None = None

    def write(self, writes: Writes) -> None:
        """Returns when it is acknowledged."""
        new = 1 if self._position is None else self._position + 1
        assert self._redis.commit(self._claim, self._position, new, writes, 77) is Outcome.OK
        self._position = new

    def put(self, number: int) -> None:
        """Every kind of row says this number."""
        writes = Writes(
            puts={Address(RECORDS, "k"): b"%d" % number},
            ranks={Address(PLACES, "k"): {"x": float(number)}, Address(PLACES, "l"): {"x": float(number)}},
            sums={Address(COUNTS, "k"): {"x": 1}},
            scores={Address(TREND, "k", 3): {"x": 1.0}},
        )
        writes.see(TREND, number)
        self.write(writes)

    def close(self) -> None:
        self._redis.close()


@pytest.fixture
def writer(redis_clean: str) -> Iterator[Writer]:
    """Has put 1."""
    made = Writer(redis_clean)
    made.put(1)
    yield made
    made.close()


@pytest.fixture
async def reads(proxy: Proxy, writer: Writer) -> AsyncIterator[RedisReads]:
    """Through the proxy, so that one sees what is asked."""
    made = RedisReads(f"redis://127.0.0.1:{proxy.port}/0", timeout=20, room=MEGABYTE)
    yield made
    await made.close()


def near_of(reads: RedisReads) -> Near:
    """What is kept on this loop."""
    near = reads.source.connection().near
    assert near is not None
    return near


async def arrived(reads: RedisReads) -> None:
    """Whatever Redis has said so far has arrived."""
    await reads.source.connection().call(("PING",))


async def numbers(reads: RedisReads) -> list[float]:
    """What each kind of read says."""
    ranking, trend = storage(PLACES), storage(TREND)
    newest, [trending] = await reads.top(trend, [Address(TREND, "k", 3)], 5)
    _, [[score]] = await reads.scores(ranking, [(Address(PLACES, "k"), ["x"])])
    _, tops = await reads.top(ranking, [Address(PLACES, key) for key in "kl"], 5)
    [row, none] = await reads.rows(storage(RECORDS), ["k", "none"])
    [sums, nothing] = await reads.sums(storage(COUNTS), ["k", "none"])
    assert (newest.bucket, none, nothing) == (3, None, {})
    return [float(row or 0), score or 0, sums["x"], newest.at_ms or 0, *(top[0][1] for top in [*tops, trending])]


async def test_what_was_just_read_is_not_asked_for_again(reads: RedisReads, proxy: Proxy) -> None:
    expected = [1.0] * 7
    assert await numbers(reads) == expected
    await arrived(reads)
    near_of(reads).answered(time.monotonic() + 60)  # proven, however slow this machine is
    proxy.writes.clear()
    assert [await numbers(reads) for _ in range(3)] == [expected] * 3
    assert not [piece for piece in proxy.writes if b"PING" not in piece]


async def test_what_others_write_is_seen_as_soon_as_redis_has_said_so(reads: RedisReads, writer: Writer) -> None:
    for number in range(1, 6):
        assert await numbers(reads) == [float(number)] * 7
        await asyncio.to_thread(writer.put, number + 1)
        await arrived(reads)


async def test_no_answer_is_older_than_what_was_acknowledged_100_ms_before(reads: RedisReads, writer: Writer) -> None:
    """While somebody writes as fast as he can, and readers ask as fast as they can."""
    acknowledged: list[tuple[float, int]] = [(time.monotonic(), 1)]
    enough = threading.Event()

    def keep_writing() -> None:
        while not enough.is_set():
            number = acknowledged[-1][1] + 1
            writer.put(number)
            acknowledged.append((time.monotonic(), number))
            enough.wait(0.002)

    def oldest(until: float) -> int:
        return max([number for at, number in acknowledged[-500:] if at <= until], default=0)

    async def keep_reading() -> None:
        while (near_of(reads).hits < 2_000 or len(acknowledged) < 200) and time.monotonic() < until:
            bound = oldest(time.monotonic() - 0.1)
            assert min(await numbers(reads)) >= bound
            bound = acknowledged[-1][1]
            await arrived(reads)
            assert min(await numbers(reads)) >= bound, "the message came before the answer to the PING"

    until = time.monotonic() + 60
    writing = threading.Thread(target=keep_writing)
    writing.start()
    try:
        await asyncio.gather(*(keep_reading() for _ in range(4)))
    finally:
        enough.set()
        await asyncio.to_thread(writing.join)
    assert near_of(reads).hits > 0
    assert len(acknowledged) > 10


async def test_what_hangs_is_not_believed(reads: RedisReads, proxy: Proxy, writer: Writer) -> None:
    """The connection is open, and nothing comes of it: no message either."""
    await numbers(reads)
    proxy.stalled.clear()
    await asyncio.to_thread(writer.put, 2)
    await asyncio.sleep(2 * TRUST)
    late = asyncio.create_task(reads.rows(storage(RECORDS), ["k"]))
    await asyncio.sleep(TRUST)
    assert not late.done()
    proxy.stalled.set()
    assert await late == [b"2"]


async def test_with_its_connection_all_is_forgotten(reads: RedisReads, proxy: Proxy, writer: Writer) -> None:
    for number in range(1, 4):
        assert await numbers(reads) == [float(number)] * 7
        near_of(reads).answered(time.monotonic() + 60)
        proxy.cut()
        await asyncio.to_thread(writer.put, number + 1)
        while near_of(reads).used:
            await asyncio.sleep(0)


async def test_when_redis_is_emptied_all_is_forgotten(reads: RedisReads, redis_clean: str) -> None:
    await numbers(reads)
    with redis.Redis.from_url(redis_clean) as raw:
        raw.flushall()
    await arrived(reads)
    assert near_of(reads).used == 0
    assert await reads.rows(storage(RECORDS), ["k"]) == [None]


async def test_those_who_ask_the_same_at_once_ask_once(reads: RedisReads, proxy: Proxy) -> None:
    await arrived(reads)
    proxy.writes.clear()
    row = [Address(PLACES, "k")]
    asked = [asyncio.create_task(reads.top(storage(PLACES), row, 3)) for _ in range(50)]
    await asyncio.sleep(0)
    asked.pop(0).cancel()  # who asked first wants it no more
    found = await asyncio.gather(*asked)
    assert [top for _, [top] in found] == [[("x", 1.0)]] * 49
    assert b"".join(proxy.writes).count(b"ZRANGE") == 1
    for _, [top] in found:
        top.append(("mine", 0.0))  # each has his own
    assert await reads.top(storage(PLACES), row, 3) == (found[0][0], [[("x", 1.0)]])


async def test_another_ones_bad_row_harms_no_good_one(reads: RedisReads, redis_clean: str) -> None:
    with redis.Redis.from_url(redis_clean) as raw:
        raw.lpush(Keys("watching", 1).row(Address(COUNTS, "bad")), "x")
        raw.hset(Keys("watching", 1).row(Address(COUNTS, "worse")), "x", "no number")
    both, good, worse = await asyncio.gather(
        reads.sums(storage(COUNTS), ["k", "bad"]),
        reads.sums(storage(COUNTS), ["k"]),
        reads.sums(storage(COUNTS), ["worse"]),
        return_exceptions=True,
    )
    assert isinstance(both, SuspectGeneration)
    assert good == [{"x": 1}]
    assert isinstance(worse, SuspectGeneration)
    assert await reads.sums(storage(COUNTS), ["k"]) == [{"x": 1}]


async def test_who_wants_it_fresh_asks_redis(reads: RedisReads, proxy: Proxy, redis_clean: str) -> None:
    technology = Redis(redis_clean)
    technology.declare(storage(COUNTS, technology="redis"))
    technology.close()
    catalogue = Catalogue({"redis": reads})
    await catalogue.refresh()
    views = catalogue.reader(CountersReader, "views")
    assert await views.get("k") == {"x": 1}
    proxy.writes.clear()
    for _ in range(3):
        assert await views.get("k", fresh=True) == {"x": 1}
    assert b"".join(proxy.writes).count(b"HGETALL") == 3


async def test_a_name_that_moves_leads_to_the_new_versions_rows_at_once(reads: RedisReads, redis_clean: str) -> None:
    technology = Redis(redis_clean)
    catalogue = Catalogue({"redis": reads})
    for version in (1, 2):
        declared = technology.declare(storage(COUNTS, version=version, technology="redis"))
        claim = technology.claim(unit(version=version, partition=5), "b")
        technology.commit(claim, None, 1, Writes(sums={Address(COUNTS, "moved"): {"version": version}}), 77)
        technology.switch([declared])
        await catalogue.refresh()
        views = catalogue.reader(CountersReader, "views")
        for _ in range(3):
            assert await views.get("moved") == {"version": version}
    technology.switch([storage(COUNTS, technology="redis")])
    await catalogue.refresh()
    assert await views.get("moved") == {"version": 1}
    technology.close()


async def test_where_redis_may_not_say_what_changes_all_is_read_from_it(
    writer: Writer, redis_clean: str, caplog: pytest.LogCaptureFixture
) -> None:
    with redis.Redis.from_url(redis_clean) as raw:
        raw.acl_setuser("half", enabled=True, passwords=["+pw"], keys=["*"], commands=["+@all", "-client|tracking"])
        reads = RedisReads(redis_clean.replace("redis://", "redis://half:pw@"), timeout=20, room=MEGABYTE)
        try:
            with caplog.at_level(logging.WARNING):
                for number in range(1, 4):
                    assert await numbers(reads) == [float(number)] * 7
                    await asyncio.to_thread(writer.put, number + 1)
            assert reads.source.connection().near is None
            assert [record.name for record in caplog.records] == ["millrace.storage"]
        finally:
            await reads.close()
            raw.acl_deluser("half")


async def test_it_takes_the_memory_that_it_says(reads: RedisReads, writer: Writer) -> None:
    rows = {Address(PLACES, f"key-{number}"): {f"m{item}": 1.0 for item in range(20)} for number in range(1_000)}
    await asyncio.to_thread(writer.write, Writes(ranks=rows))
    near = near_of(reads)
    near.room = 750_000
    await arrived(reads)
    tracemalloc.start()
    try:
        for start in range(0, 1_000, 50):
            await reads.top(storage(PLACES), list(rows)[start : start + 50], 20)
        used, before = near.used, tracemalloc.get_traced_memory()[0]
        near.clear()
        taken = before - tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert 500_000 < used <= near.room
    assert 0.5 < taken / used < 1.2


async def test_after_close_nothing_is_given(reads: RedisReads) -> None:
    await numbers(reads)
    near_of(reads).answered(time.monotonic() + 60)
    await reads.close()
    with pytest.raises(StorageUnavailable, match="closed"):
        await reads.rows(storage(RECORDS), ["k"])
