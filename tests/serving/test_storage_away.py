"""A real Redis that is killed, hangs and comes back under load: the fallback answers, and nobody gets an error."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from urllib.parse import urlsplit

import httpx

from storage import Address, Catalogue, Ranking, Redis, RedisReads, UnitId, Writes
from tests.serving.shop import Shop, popular
from tests.storage.redis_stage import OwnRedis, Proxy


class Load:
    """Requests one after the other from some clients; `answers` counts them by status and by what answered."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self.answers: Counter[tuple[int, str]] = Counter()
        self._tasks = [asyncio.create_task(self._ask(number)) for number in range(8)]

    async def _ask(self, number: int) -> None:
        while True:
            answer = await self._client.post("/v1/recommend", json={"user": f"u{number}"})
            who = answer.headers.get("millrace-implementation", "").partition("@")[0]
            self.answers[answer.status_code, who] += 1
            await asyncio.sleep(0.002)

    async def until(self, who: str, holds: Callable[[int], bool]) -> None:
        """Wait until so many more answers of somebody have come."""
        before, began = self.answers[200, who], time.monotonic()
        while not holds(self.answers[200, who] - before):
            assert time.monotonic() - began < 60, self.answers
            await asyncio.sleep(0.01)

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def test_while_redis_is_killed_and_while_it_hangs_the_fallback_answers_and_then_it_is_as_before(
    own_redis: OwnRedis,
) -> None:
    learned(own_redis.url)
    proxy = Proxy(urlsplit(own_redis.url).port or 0)
    await proxy.start()
    reads = RedisReads(f"redis://127.0.0.1:{proxy.port}/0")
    shop = Shop(popular(fallback="newest"))
    shop.catalogue = Catalogue({"redis": reads})
    async with shop.running() as client:
        load = Load(client)
        await load.until("popular_now", lambda more: more > 20)
        own_redis.kill()
        await load.until("newest", lambda more: more > 60)
        own_redis.start()
        await load.until("popular_now", lambda more: more > 20)
        proxy.stalled.clear()
        await load.until("newest", lambda more: more > 60)
        proxy.stalled.set()
        await load.until("popular_now", lambda more: more > 20)
        await load.end()
    await reads.close()
    await proxy.close()

    assert {status for status, _ in load.answers} == {200}
    reasons = {item.reason for item in shop.kafka.decisions if item.failed}
    assert reasons <= {"storage-unavailable", "deadline-passed", "out-of-rotation"}
    assert "out-of-rotation" in reasons


def learned(url: str) -> None:
    """What a learner has written to the ranking `popular`."""
    technology = Redis(url)
    technology.point([technology.declare(Ranking("popular", technology="redis").describe("popular", 1, 1, "clicks"))])
    claim = technology.claim(UnitId("popular", 1, 1, "clicks", 0), "owner")
    technology.commit(claim, None, 1, Writes(scores={Address("ranking/popular", "all"): {"a": 1.0}}), 1)
    technology.close()
