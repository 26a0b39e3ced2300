"""An implementation that keeps failing is no longer asked while something else can answer, and comes back by itself."""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import timedelta
from typing import Any

import httpx
import pytest

from serving import rotation
from serving.rotation import BUDGET, HELD, HOLDS, MINUTE, Rotation
from tests.serving.shop import Recommend, Recommendations, Shop, Type, popular, recommend

BODY = {"user": "u1"}


class Switched:
    """An endpoint type whose implementation `first` fails, hangs or answers as it is told, and counts its requests."""

    def __init__(self, **options: Any) -> None:
        self.asked, self.fails, self.hangs = 0, True, False
        self.kind: Type = recommend(**{"fallback": "second", "deadline": timedelta(milliseconds=80), **options})

        @self.kind.implementation
        async def first(request: Recommend) -> Recommendations:
            self.asked += 1
            if self.hangs:
                await asyncio.Event().wait()
            if self.fails:
                raise ValueError("not today")
            return Recommendations(["first"])

        @self.kind.implementation
        async def second(request: Recommend) -> Recommendations:
            return Recommendations(["second"])

    async def fail(self, client: httpx.AsyncClient, times: int = int(BUDGET)) -> None:
        for _ in range(times):
            assert (await client.post("/v1/recommend", json=BODY)).json() == {"items": ["second"]}


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """No test is so slow that what is out is tried again in it."""
    monkeypatch.setattr(rotation, "PAUSE", 600.0)
    caplog.set_level(logging.WARNING)


def test_one_that_only_fails_is_out_after_its_budget() -> None:
    state = Rotation("recommend/first")
    for _ in range(int(BUDGET) - 1):
        state.failed()
    assert state.since is None
    state.failed()
    assert state.since == pytest.approx(time.time(), abs=5)


@pytest.mark.parametrize(("share", "out"), [(0.1, False), (0.19, False), (0.25, True), (0.5, True)])
def test_one_that_fails_more_than_one_time_in_five_is_out_in_the_end(share: float, out: bool) -> None:
    state, failures = Rotation("recommend/first"), 0.0
    for _ in range(2000):
        failures += share
        if failures >= 1:
            failures -= 1
            state.failed()
        elif state.since is None:
            state.answered()
    assert (state.since is not None) is out


def test_while_it_is_out_one_request_in_a_while_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    state = Rotation("recommend/first")
    for _ in range(int(BUDGET)):
        state.failed()
    assert [state.turn(), state.turn()] == [False, False]
    now += rotation.PAUSE
    assert [state.turn(), state.turn()] == [True, False]


async def test_it_is_not_asked_while_it_is_out_and_log_listing_and_console_say_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    switched = Switched()
    shop = Shop(switched.kind)
    service = shop.service()
    async with shop.running(service) as client:
        await switched.fail(client)
        await switched.fail(client, 5)
        [found] = (await client.get("/v1")).json()["endpoints"]
        await service.measurements.sample()
        page = await client.get("/console/endpoints")
    assert switched.asked == BUDGET
    assert [item.reason for item in shop.kafka.decisions[-5:]] == ["out-of-rotation"] * 5
    assert [item["out_of_rotation"] for item in found["implementations"]] == [True, False]
    assert "out since" in page.text
    assert caplog.text.count("recommend/first keeps failing and is out of rotation") == 1


async def test_one_that_hangs_is_not_waited_for_any_more() -> None:
    switched = Switched()
    switched.hangs = True
    async with Shop(switched.kind).running() as client:
        await switched.fail(client)
        began = time.monotonic()
        await switched.fail(client, 20)
        took = time.monotonic() - began
    assert took < 20 * 0.06  # it would have been waited for so long


async def test_once_it_answers_again_it_is_back(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(rotation, "PAUSE", 0.0)
    switched = Switched()
    shop = Shop(switched.kind)
    service = shop.service()
    async with shop.running(service) as client:
        await switched.fail(client, 12)
        switched.fails = False
        for _ in range(3):
            assert (await client.post("/v1/recommend", json=BODY)).json() == {"items": ["first"]}
    assert service.endpoints.current["recommend"].lives["first"].rotation.since is None
    assert "recommend/first answers again" in caplog.text


async def test_new_code_begins_with_a_whole_budget() -> None:
    switched = Switched()
    shop = Shop(switched.kind)
    service = shop.service()
    async with shop.running(service) as client:
        await switched.fail(client)
        before = service.endpoints.current["recommend"].lives
        service.endpoints.take([switched.kind])
        assert service.endpoints.current["recommend"].lives["first"].rotation is before["first"].rotation

        changed = recommend(fallback="second")

        @changed.implementation
        async def first(request: Recommend) -> Recommendations:
            return Recommendations(["repaired"])

        changed.implementation(switched.kind.implementations["second"].function)
        service.endpoints.take([changed])
        assert (await client.post("/v1/recommend", json=BODY)).json() == {"items": ["repaired"]}


async def test_where_nothing_else_can_answer_it_is_asked_always() -> None:
    switched = Switched(fallback=None)
    async with Shop(switched.kind).running() as client:
        for _ in range(15):
            assert (await client.post("/v1/recommend", json=BODY)).status_code == 500
        switched.fails = False
        assert (await client.post("/v1/recommend", json=BODY)).json() == {"items": ["first"]}
    assert switched.asked == 16


async def test_one_that_is_asked_by_its_name_is_asked() -> None:
    switched = Switched()
    async with Shop(switched.kind).running() as client:
        await switched.fail(client)
        await client.post("/v1/recommend/first", json=BODY)
    assert switched.asked == BUDGET + 1


async def test_a_fallback_that_keeps_failing_is_out_too_where_there_is_a_default() -> None:
    switched = Switched(fallback="first", default=Recommendations(["default"]))

    async def broken(request: Recommend) -> Recommendations:
        raise ValueError

    switched.kind.implementations = dict(reversed(switched.kind.implementations.items()))
    switched.kind.implementations["second"].function = broken
    async with Shop(switched.kind).running() as client:
        for _ in range(30):
            assert (await client.post("/v1/recommend", json=BODY)).json() == {"items": ["default"]}
    assert switched.asked == BUDGET


async def test_a_missing_storage_costs_no_budget() -> None:
    shop = Shop(popular(fallback="newest"))
    service = shop.service()
    async with shop.running(service) as client:
        for _ in range(15):
            await client.post("/v1/recommend", json=BODY)
        shop.learner()
        shop.learned(a=1.0)
        await shop.catalogue.refresh()
        service.endpoints.follow()
        assert (await client.post("/v1/recommend", json=BODY)).json() == {"items": ["a"]}


async def test_requests_that_do_not_fit_cost_no_budget() -> None:
    switched = Switched()
    switched.fails = False
    async with Shop(switched.kind).running() as client:
        for _ in range(15):
            assert (await client.post("/v1/recommend", json={})).status_code == 400
        assert (await client.post("/v1/recommend", json=BODY)).json() == {"items": ["first"]}


def test_one_that_holds_the_event_loop_again_and_again_is_out_though_it_answers(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = [1000.0]
    monkeypatch.setattr("serving.rotation.time.monotonic", lambda: now[0])
    state = Rotation("recommend/first")
    for _ in range(HOLDS):
        state.held()
        now[0] += MINUTE / (HOLDS - 1)  # never so many within a minute
    assert (state.since, state.fault) == (None, None)
    for _ in range(HOLDS):
        state.held()
    state.answered()
    assert state.since is not None
    assert not state.turn()
    assert state.fault == HELD
    assert [record.getMessage() for record in caplog.records] == [
        f"recommend/first is out of rotation for a minute: {HELD}."
    ]
    now[0] += MINUTE
    assert state.turn()
    state.answered()
    assert not state.spent
    state.held()  # once is enough now
    assert state.since is not None
    assert not state.turn()
