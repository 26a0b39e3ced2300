"""Shadows: copies of live requests are answered, logged and compared, and touch no answer whatever they do."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest

from schemas import Decision
from serving import Experiment, ExperimentRefused, shadowing
from serving.assignment import takes_part
from tests.serving.shop import Recommend, Recommendations, Shop, recommend

release = threading.Event()


def kinds() -> Any:
    """`fixed` answers; the others answer copies in every way that could hurt."""
    kind = recommend(deadline=timedelta(seconds=1))

    @kind.implementation
    async def fixed(request: Recommend) -> Recommendations:
        return Recommendations(["a"])

    @kind.implementation
    async def alike(request: Recommend) -> Recommendations:
        return Recommendations(["a"])

    @kind.implementation
    async def other(request: Recommend) -> Recommendations:
        return Recommendations(["b"])

    @kind.implementation
    async def failing(request: Recommend) -> Recommendations:
        raise ValueError("no")

    @kind.implementation
    async def slow(request: Recommend) -> Recommendations:
        await asyncio.sleep(60)
        return Recommendations(["late"])

    @kind.implementation
    def hanging(request: Recommend) -> Recommendations:
        release.wait(60)
        return Recommendations(["late"])

    @kind.implementation
    def in_a_thread(request: Recommend) -> Recommendations:
        return Recommendations(["from a thread"])

    return kind


class Stage:
    """A service with shadows."""

    def __init__(self, client: httpx.AsyncClient, shop: Shop) -> None:
        self.client, self.shop = client, shop

    async def ask(self, units: int = 1, path: str = "/v1/recommend") -> list[httpx.Response]:
        return [await self.client.post(path, json={"user": f"u{number}"}) for number in range(units)]

    async def compared(self, name: str, until: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        async with asyncio.timeout(20):
            while True:
                found = (await self.client.get(f"/v1/experiments/{name}")).json()["compared"] or {}
                if found and until(found):
                    return found
                await asyncio.sleep(0.01)

    async def logged(self, count: int) -> list[Decision]:
        async with asyncio.timeout(20):
            while len(self.shop.kafka.decisions) < count:
                await asyncio.sleep(0.01)
        return self.shop.kafka.decisions


def shadow(variant: str, ramp: float = 100) -> Experiment:
    return Experiment(f"try_{variant}", "recommend", {variant: 1}, ramp=ramp, shadow=True)


@pytest.fixture
async def running(request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    shop = Shop(kinds(), experiments=request.param)
    async with shop.running() as client:
        yield Stage(client, shop)
    release.set()
    release.clear()


@pytest.mark.parametrize("running", [[shadow("alike"), shadow("other")]], indirect=True)
async def test_copies_are_compared_and_logged_with_a_marker_and_never_returned(running: Stage) -> None:
    answers = await running.ask(5)
    assert [answer.json() for answer in answers] == [{"items": ["a"]}] * 5
    assert {answer.headers["millrace-implementation"].partition("@")[0] for answer in answers} == {"fixed"}
    same = await running.compared("try_alike", lambda found: found["same"] == 5)
    different = await running.compared("try_other", lambda found: found["different"] == 5)
    assert (same["different"], different["same"], same["failed"], same["skipped"]) == (0, 0, {}, 0)
    assert 0 < same["p50_ms"] <= same["p99_ms"]
    assert same["given_p50_ms"] > 0

    decisions = await running.logged(15)
    given = {item.id: item for item in decisions if item.shadow_of is None}
    copies = [item for item in decisions if item.shadow_of is not None]
    assert len(given) == 5
    assert {item.implementation for item in given.values()} == {"fixed"}
    assert sorted(item.implementation for item in copies) == ["alike"] * 5 + ["other"] * 5
    for copy in copies:
        assert copy.shadow_of is not None
        original = given[copy.shadow_of]
        assert (copy.unit, copy.request, copy.experiment, copy.variant) == (original.unit, original.request, None, None)
    assert different["last_different"] in given
    metrics = (await running.client.get("/metrics")).text
    assert 'millrace_shadow_answers_total{shadow="try_other",outcome="different"} 5' in metrics
    assert 'millrace_answer_seconds_count{endpoint="recommend"} 5' in metrics


@pytest.mark.parametrize("running", [[shadow("failing"), shadow("slow"), shadow("hanging")]], indirect=True)
async def test_a_shadow_that_fails_or_hangs_touches_no_answer(running: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shadowing, "AT_ONCE", 12)
    answers = await running.ask(12)
    assert {answer.status_code for answer in answers} == {200}
    assert not any("millrace-fallback" in answer.headers for answer in answers)
    failing = await running.compared("try_failing", lambda found: sum(found["failed"].values()) >= 12)
    assert set(failing["failed"]) == {"implementation-failed", "out-of-rotation"}
    late = await running.compared("try_slow", lambda found: found["failed"].get("deadline-passed", 0) >= 3)
    assert late["same"] == late["different"] == 0
    await running.compared("try_hanging", lambda found: found["failed"].get("deadline-passed", 0) >= 3)
    listed = (await running.client.get("/v1")).json()["endpoints"][0]["implementations"]
    assert not any(item["out_of_rotation"] for item in listed), "its failures are not those of live answers"
    [answer] = await running.ask(1, "/v1/recommend/in_a_thread")
    assert answer.json() == {"items": ["from a thread"]}, "it has threads of its own"
    decisions = await running.logged(12 + 1 + 10 + 3 + 3)
    copies = [item for item in decisions if item.shadow_of is not None]
    assert {item.reason for item in copies} == {"implementation-failed", "deadline-passed"}
    assert {item.answer for item in copies} == {"null"}


@pytest.mark.parametrize("running", [[shadow("slow")]], indirect=True)
async def test_no_more_than_so_many_copies_are_under_way(running: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shadowing, "AT_ONCE", 2)
    await asyncio.gather(*(running.ask(1) for _ in range(8)))
    found = await running.compared("try_slow", lambda found: sum(found["failed"].values()) + found["skipped"] == 8)
    assert found["failed"]["deadline-passed"] >= 2
    assert found["skipped"] > 0


@pytest.mark.parametrize("running", [[shadow("alike", 30), shadow("fixed")]], indirect=True)
async def test_a_shadow_has_its_part_of_the_units_and_what_answers_anyway_is_not_asked_twice(
    running: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shadowing, "AT_ONCE", 60)
    await running.ask(60)
    wanted = sum(takes_part("shadow/try_alike", f"u{number}", [(0, 3000)]) for number in range(60))
    await running.ask(3, "/v1/recommend/other")
    found = await running.compared("try_alike", lambda found: found["same"] == wanted)
    assert found["different"] == 0
    assert (await running.client.get("/v1/experiments/try_fixed")).json()["compared"] is None
    assert len(await running.logged(63 + wanted)) == 63 + wanted


@pytest.mark.parametrize(
    "running", [[shadow("alike"), Experiment("split", "recommend", {"fixed": 1, "other": 1}, "click")]], indirect=True
)
async def test_a_shadow_takes_no_unit_from_an_experiment_and_counts_in_none(running: Stage) -> None:
    answers = await running.ask(8)
    assert {answer.headers["millrace-variant"] for answer in answers} == {"fixed", "other"}
    decisions = await running.logged(16)
    assert {item.experiment for item in decisions if item.shadow_of is None} == {"split"}
    assert {item.experiment for item in decisions if item.shadow_of is not None} == {None}
    rows = (await running.client.get("/v1/experiments")).json()["variants"]
    assert {row["experiment"] for row in rows} == {"split"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"split": {"a": 1, "b": 1}}, "with one implementation"),
        ({"goal": "click"}, "neither goal nor layer"),
        ({"layer": "front"}, "neither goal nor layer"),
        ({"shadow": False}, "has no goal"),
    ],
)
def test_a_shadow_is_one_implementation_without_goal_and_layer(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ExperimentRefused, match=message):
        Experiment(**{"name": "x", "endpoint": "recommend", "split": {"a": 1}, "shadow": True, **change})
