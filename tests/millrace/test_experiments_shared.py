"""Experiments on a real Kafka: replicas change together, and one that starts later has everything."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import AsyncExitStack
from pathlib import Path

import httpx

from serving import Shared
from streams import Kafka, KafkaTable
from tests.serving.experiments.test_experiments import AT, FIRST, running, variants
from tests.serving.shop import Goal, Recommendations, Shop, popular
from tests.waiting import until_async


async def test_replicas_on_one_kafka_change_together_and_a_later_one_has_it_all(kafka: str, tmp_path: Path) -> None:
    topic = f"experiments-{uuid.uuid4().hex[:12]}"
    tables = [KafkaTable(Kafka(kafka), topic) for _ in range(3)]
    async with AsyncExitStack() as stack:

        async def replica(number: int) -> httpx.AsyncClient:
            shop = Shop(popular(default=Recommendations([])))
            service = shop.service(goals=[Goal()], shared=Shared(tables[number], tmp_path / str(number)))
            return await stack.enter_async_context(shop.running(service))

        one, other = [await replica(number) for number in range(2)]
        made = await one.put(AT, json={**FIRST, "ramp": 50})
        assert made.status_code == 200, made.text

        async def there() -> bool:
            return await running(other) == ["first 50"]

        await until_async(there)
        assert await variants(one, 50) == await variants(other, 50)
        ramped = await asyncio.gather(
            *(client.post(f"{AT}/ramp", json={"ramp": to}) for client, to in ((one, 60), (other, 70)))
        )
        assert [answer.status_code for answer in ramped] == [200, 200]
        later = await replica(2)

        async def has_it_all() -> bool:
            return len((await later.get("/v1/experiments")).json()["experiments"]) == 1

        await until_async(has_it_all)
        shown = (await later.get(AT)).json()
        assert [change["action"] for change in shown["history"]] == ["create", "ramp", "ramp"]
        assert shown["revision"] == 3
    for table in tables:
        table.close()
