"""An `async def` that blocks holds everybody up: it is named, and counted."""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import timedelta

import httpx
import pytest

from serving.rotation import HELD, HOLDS
from serving.watchdog import TICK
from tests.serving.shop import Recommend, Recommendations, Shop, Type, recommend
from tests.waiting import until_async


def lasting(blocks: float, deadline: float, awaits: float = 0.0) -> Type:
    kind = recommend(deadline=timedelta(seconds=deadline))

    @kind.implementation
    async def slow(request: Recommend) -> Recommendations:
        time.sleep(blocks)
        await asyncio.sleep(awaits)
        return Recommendations(["late"])

    return kind


async def held(client: httpx.AsyncClient) -> int:
    text = (await client.get("/metrics")).text
    return int(text.partition('millrace_held_total{endpoint="recommend"} ')[2].partition("\n")[0])


async def test_an_implementation_that_blocks_is_named_once_and_counted_each_time(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def twice() -> bool:
        return await held(client) == 2

    async with Shop(lasting(0.5, 0.1)).running() as client:
        for _ in range(2):
            await asyncio.sleep(3 * TICK)  # at first it has to begin
            assert (await client.post("/v1/recommend", json={"user": "u1"})).status_code == 200
        await until_async(twice)
    [said] = [one for one in caplog.records if "held the event loop" in one.getMessage()]
    assert said.levelno == logging.WARNING
    assert said.getMessage().startswith("recommend/slow held the event loop for about 0.")
    assert "make it a plain def" in said.getMessage()


@pytest.mark.parametrize(("blocks", "deadline", "awaits"), [(0.4, 2.0, 0.0), (0.0, 2.0, 0.4)])
async def test_one_that_awaits_or_is_in_time_is_not(
    caplog: pytest.LogCaptureFixture, blocks: float, deadline: float, awaits: float
) -> None:
    async with Shop(lasting(blocks, deadline, awaits)).running() as client:
        await asyncio.sleep(3 * TICK)
        assert (await client.post("/v1/recommend", json={"user": "u1"})).status_code == 200
        await asyncio.sleep(3 * TICK)
        assert await held(client) == 0
    assert "held the event loop" not in caplog.text


async def test_one_that_blocks_again_and_again_is_out_of_rotation_and_another_answers() -> None:
    kind = lasting(0.4, 0.1)
    kind.fallback = "quick"

    @kind.implementation
    async def quick(request: Recommend) -> Recommendations:
        return Recommendations(["quick"])

    async with Shop(kind).running() as client:
        await asyncio.sleep(3 * TICK)
        for _ in range(HOLDS):
            await client.post("/v1/recommend", json={"user": "u1"})
            await asyncio.sleep(2 * TICK)

        async def out() -> bool:
            answer = await client.post("/v1/recommend", json={"user": "u1"})
            return bool(answer.headers.get("millrace-fallback") == "quick")

        await until_async(out)
        [slow, _] = (await client.get("/v1")).json()["endpoints"][0]["implementations"]
        assert (slow["out_of_rotation"], slow["error"]) == (True, HELD)
