"""What is refused so that the rest is in time: by counts and given ticks, without a server."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable

import pytest

from serving.overload import admitting
from serving.overload.admission import LATE, LEAST, SHARE, Admission
from serving.overload.busyness import Busyness
from tests.serving.shop import Recommendations, Shop, recommend

DEADLINES = {"recommend": 0.2}


def ticked(admission: Admission, ticks: int, finished: int, busy: bool = True, seconds: float = 0.05) -> float:
    """How many may be in flight after so many ticks, in each of which so many requests finished."""
    traffic = admission.of("recommend")
    for _ in range(ticks):
        traffic.finished += finished
        admission.tick(seconds, busy, DEADLINES)
    return traffic.allowed


def test_while_the_loop_has_rest_nothing_is_refused_however_slow_answers_are() -> None:
    admission = Admission()
    admission.of("recommend").in_flight = 1_000_000
    assert ticked(admission, 100, finished=1, busy=False) == math.inf


def test_a_burst_is_no_overload() -> None:
    admission = Admission()
    assert ticked(admission, 1, finished=1) == math.inf
    assert ticked(admission, 1, finished=1, busy=False) == math.inf
    assert ticked(admission, 1, finished=1) == math.inf


def test_at_the_limit_as_many_are_taken_as_are_answered_within_half_of_the_deadline() -> None:
    assert ticked(Admission(), 50, finished=50) == pytest.approx(SHARE * 0.2 * 50 / 0.05)


def test_the_rate_that_counts_is_that_of_now() -> None:
    admission = Admission()
    ticked(admission, 50, finished=50)
    assert ticked(admission, 100, finished=25) == pytest.approx(SHARE * 0.2 * 25 / 0.05, rel=0.05)


def test_a_few_are_always_taken_and_all_again_when_there_is_rest() -> None:
    admission = Admission()
    assert ticked(admission, 50, finished=0) == LEAST
    assert ticked(admission, 1, finished=0, busy=False) == math.inf


def test_a_type_that_is_asked_little_is_not_refused_for_one_that_is_asked_much() -> None:
    admission = Admission()
    admission.of("quiet").in_flight = 2
    ticked(admission, 50, finished=50)
    assert admission.of("quiet").in_flight < admission.of("quiet").allowed


def test_a_request_has_waited_since_the_turn_in_which_it_begins_began_others() -> None:
    turns: list[Callable[[], None]] = []
    admission = Admission()
    first = [admission.waited(10.0 + number, turns.append) for number in range(LEAST)]
    assert first == [0.0] * LEAST
    assert admission.waited(20.0, turns.append) == 10.0
    [turn] = turns
    turn()
    assert admission.waited(20.1, turns.append) == 0.0
    assert len(turns) == 2


def test_only_at_the_limit_is_a_request_refused_for_its_wait() -> None:
    admission = Admission()
    ticked(admission, 1, finished=50)
    assert admission.of("recommend").patience == math.inf
    ticked(admission, 1, finished=50)
    assert admission.of("recommend").patience == pytest.approx(LATE * 0.2)
    ticked(admission, 1, finished=50, busy=False)
    assert admission.of("recommend").patience == math.inf


def test_a_thread_is_busy_while_it_computes_and_not_while_it_sleeps() -> None:
    """The share of a computing thread counts what it waits for a processor, where the system tells."""
    busyness = Busyness()
    time.sleep(0.2)
    _, resting = busyness.since()
    end = time.thread_time() + 0.2
    while time.thread_time() < end:
        pass
    _, working = busyness.since()
    assert resting < working


async def test_who_sends_slowly_takes_nobodys_place() -> None:
    kind = recommend()

    @kind.implementation
    async def first(request: object) -> Recommendations:
        return Recommendations(["first"])

    begun, gate = asyncio.Event(), asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b'{"user":'
        begun.set()
        await gate.wait()
        yield b' "u1"}'

    shop = Shop(kind)
    service = shop.service()
    async with shop.running(service) as client:
        asking = asyncio.create_task(client.post("/v1/recommend", content=body()))
        await begun.wait()
        assert service.admission.of("recommend").in_flight == 0
        gate.set()
        assert (await asking).json() == {"items": ["first"]}


async def test_what_is_refused_is_a_503_that_says_when_to_come_back_and_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(admitting, "TICK", 1_000.0)
    kind = recommend()

    @kind.implementation
    async def first(request: object) -> Recommendations:
        return Recommendations(["first"])

    shop = Shop(kind)
    service = shop.service()
    async with shop.running(service) as client:
        traffic = service.admission.of("recommend")
        taken = await client.post("/v1/recommend", json={"user": "u1"})
        traffic.allowed = 0
        refused = await client.post("/v1/recommend", json={"user": "u1"})
        metrics = (await client.get("/metrics")).text
        await service.measurements.sample()
    assert (taken.status_code, traffic.in_flight) == (200, 0)
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    assert refused.json()["type"] == "urn:millrace:problem:overloaded"
    assert 'millrace_shed_total{endpoint="recommend"} 1' in metrics
    assert len(shop.kafka.decisions) == 1
