"""A real service whose Redis is killed and started again under load, with Kafka away all the time: nobody notices."""

from __future__ import annotations

from pathlib import Path

from benchmarks.prove_models.clients import Clients
from tests.millrace.served import TYPES, served
from tests.serving.test_storage_away import learned
from tests.storage.redis_stage import OwnRedis

ENDPOINTS = (
    TYPES
    + """
ask = mr.EndpointType("ask", Ask, Answer, unit="user", fallback="always")

@ask.implementation
async def best(request: Ask, popular: mr.RankingReader) -> Answer:
    return Answer([item for item, _ in await popular.top("all", 3)])

@ask.implementation
async def always(request: Ask) -> Answer:
    return Answer(["always"])
"""
)


def test_redis_is_killed_and_started_again_and_every_request_is_answered(own_redis: OwnRedis, tmp_path: Path) -> None:
    learned(own_redis.url)
    with served(tmp_path, ENDPOINTS, MILLRACE_REDIS_URL=own_redis.url) as service:
        with Clients(f"{service.url}/v1/ask", lambda number: {"user": f"u{number}"}) as clients:
            clients.until("best", 30)
            own_redis.kill()
            clients.until("always", 100)
            own_redis.start()
            clients.until("best", 30)
        counts = service.get("/v1/decisions").json()
    assert clients.unanswered == 0, clients.problems
    assert counts["answers"] == clients.answers.total()
    assert counts["queued"] + counts["spooled"] == counts["answers"]
