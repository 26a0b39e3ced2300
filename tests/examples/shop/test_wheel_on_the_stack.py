"""The wheel against the real parts, from an environment that has nothing else of ours."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from benchmarks.prove_loop.stage import Stage
from millrace.stack.plan import variables

EMIT = """
import sys
from datetime import UTC, datetime
import millrace_client as mr
class Click(mr.Event, topic="shop_clicks", key="visitor"):
    visitor: str
    item: str
    at: datetime
    decision: str | None = None
service = sys.argv[1] or None
with mr.Producer(service=service) as events:
    for number in range(600):
        events.emit(Click(f"wheel-{number % 7}", "tent", datetime.now(UTC)))
"""

ASK = """
import asyncio, json, sys
from datetime import UTC, datetime, timedelta
import msgspec
import millrace_client as mr
class Recommend(msgspec.Struct):
    visitor: str
class Recommendations(msgspec.Struct):
    items: list[str]
recommend = mr.EndpointType("shop_recommend", Recommend, Recommendations)
async def main() -> None:
    async with mr.Client(sys.argv[1]) as client:
        told = {"visitor": "wheel", "item": "tent", "at": datetime.now(UTC)}
        answer = await client.ask(recommend, Recommend("wheel"), deadline=timedelta(seconds=20))
        await client.reward(answer.decision, goal="click", deadline=timedelta(seconds=20), **told)
        try:
            await client.reward(answer.decision, goal="click", item=5)
        except mr.AnswerRefused as error:
            refused = str(error)
        print(json.dumps([answer.decision, answer.variant, answer.implementation, refused]))
asyncio.run(main())
"""


def run(python: Path, running: Stage, code: str, argument: str) -> str:
    environment = {**os.environ, **variables(running.settings), "PYTHONPATH": ""}
    command = [str(python), "-c", code, argument]
    result = subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True, check=False, timeout=90)
    assert result.returncode == 0, result.stderr
    return result.stdout


def clicks(running: Stage) -> dict[int, int]:
    ends = running.platform.topics.ends(["shop_clicks"])
    return {partition: high - low for (_, partition), (low, high) in ends.items()}


def test_events_straight_to_kafka_and_through_the_service_are_on_the_same_partitions(
    fresh_python: Path, running_shop: Stage
) -> None:
    before = clicks(running_shop)
    run(fresh_python, running_shop, EMIT, "")
    between = clicks(running_shop)
    run(fresh_python, running_shop, EMIT, running_shop.settings.service_url)
    after = clicks(running_shop)

    straight = {partition: between[partition] - before[partition] for partition in before}
    through = {partition: after[partition] - between[partition] for partition in before}
    assert sum(straight.values()) == 600
    assert straight == through
    assert running_shop.meter.wait_until_level(60.0).events == 0


def test_an_answer_and_its_reward_come_from_the_wheel_alone(fresh_python: Path, running_shop: Stage) -> None:
    before = sum(clicks(running_shop).values())
    found: list[Any] = json.loads(run(fresh_python, running_shop, ASK, running_shop.settings.service_url))
    decision, variant, implementation, refused = found
    assert decision.endswith(f".strip.{variant}")
    assert implementation.startswith(f"{variant}@")
    assert "item" in refused or "visitor" in refused
    assert sum(clicks(running_shop).values()) == before + 1
