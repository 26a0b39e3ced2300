"""A real service that is told to stop: first it is not ready, and all the same nobody who asks is turned away."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path

import httpx
import pytest

from tests.millrace.served import FIXED, Served, served, starting
from tests.waiting import until

ENDPOINTS = (
    FIXED
    + """
import asyncio
from datetime import timedelta

slow = mr.EndpointType("slow", Ask, Answer, unit="user", deadline=timedelta(seconds=30))

@slow.implementation
async def later(request: Ask) -> Answer:
    await asyncio.sleep(1.0)
    return Answer(["later"])
"""
)


def in_flight(service: Served) -> bool:
    return 'millrace_in_flight{endpoint="slow"} 1' in service.get("/metrics").text


def test_it_is_not_ready_first_and_answers_on_and_loses_neither_requests_nor_decisions(tmp_path: Path) -> None:
    """Kafka is away all the time, so that every decision has to be in the spool at the end."""
    answers: list[httpx.Response] = []
    with served(tmp_path, ENDPOINTS, MILLRACE_LEAVING_MS="60000") as service:
        assert service.get("/readyz").status_code == 200
        until(lambda: f"It answers at {service.url};" in service.log.read_text())
        assert "connection" not in service.ask().headers
        service.process.send_signal(signal.SIGTERM)
        until(lambda: service.get("/readyz").status_code == 503)
        answer = service.ask()
        assert (answer.json(), answer.headers["connection"]) == ({"items": ["fixed"]}, "close")
        assert service.get("/healthz").status_code == 200

        asking = threading.Thread(target=lambda: answers.append(service.ask("/v1/slow")))
        asking.start()
        until(lambda: answers or in_flight(service))  # a machine that is very busy may see it only when it is over
        service.process.send_signal(signal.SIGTERM)
        asking.join(60)
        service.process.wait(60)
    assert [answer.json() for answer in answers] == [{"items": ["later"]}]

    with served(tmp_path, ENDPOINTS, MILLRACE_LEAVING_MS="0") as following:
        until(lambda: following.get("/v1/decisions").json()["recovered"] == 3)


@pytest.mark.parametrize(("number", "after"), [(signal.SIGTERM, 0.1), (signal.SIGINT, 0.2), (signal.SIGTERM, 0.4)])
def test_told_while_it_starts_it_ends_all_the_same(tmp_path: Path, number: signal.Signals, after: float) -> None:
    with starting(tmp_path, FIXED) as service:
        until(lambda: "Nobody is asked for a key" in service.log.read_text(), 60)
        time.sleep(after)
        service.process.send_signal(number)
        assert service.process.wait(6) is not None, service.log.read_text()
