"""What answers where an implementation does not: the declared fallback, then the default; said wherever it matters."""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import timedelta
from typing import Any

import pytest

from serving import EndpointRefused, EndpointType, Experiment
from serving.endpoints import Endpoints
from serving.measurements import Failure
from storage import Catalogue, MemoryReads, RankingReader, StorageUnavailable
from storage.technology import Newest
from tests.serving.shop import NOON, Recommend, Recommendations, Shop, Type, popular, recommend

BODY = {"user": "u1"}


def failing(reason: str, **options: Any) -> Type:
    """`first` fails as told; `second` is its fallback and answers."""
    kind = recommend(**{"fallback": "second", "deadline": timedelta(milliseconds=80), **options})

    @kind.implementation
    async def first(request: Recommend) -> Recommendations:
        if reason == "deadline-passed":
            await asyncio.Event().wait()
        if reason == "storage-unavailable":
            raise StorageUnavailable("redis://somewhere refused")
        raise ValueError("not today")

    @kind.implementation
    async def second(request: Recommend) -> Recommendations:
        return Recommendations(["second"])

    return kind


@pytest.mark.parametrize("reason", ["deadline-passed", "storage-unavailable", "implementation-failed"])
async def test_the_fallback_answers_and_header_log_and_metrics_say_so(reason: str) -> None:
    kind = failing(reason, default=Recommendations(["default"]))
    shop = Shop(kind)
    service = shop.service()
    async with shop.running(service) as client:
        answer = await client.post("/v1/recommend", json=BODY)
        metrics = (await client.get("/metrics")).text
    [decision] = shop.kafka.decisions
    hash = kind.implementations["second"].hash

    assert (answer.status_code, answer.json()) == (200, {"items": ["second"]})
    assert answer.headers["millrace-fallback"] == "second"
    assert answer.headers["millrace-implementation"] == f"second@{hash}"
    assert (decision.implementation, decision.hash) == ("second", hash)
    assert (decision.failed, decision.reason) == ("first", reason)
    assert 'millrace_fallbacks_total{endpoint="recommend"} 1' in metrics
    labels = f'endpoint="recommend",implementation="first",reason="{reason}",instead="second"'
    assert f"millrace_failures_total{{{labels}}} 1" in metrics
    assert service.metrics.counts()["recommend"].failures == {Failure("first", reason, "second"): 1}


async def test_an_implementation_that_answers_is_not_replaced_and_logs_no_failure() -> None:
    shop = Shop(popular(fallback="newest"))
    shop.learner()
    shop.learned(a=1.0)
    async with shop.running() as client:
        answer = await client.post("/v1/recommend", json=BODY)
    [decision] = shop.kafka.decisions
    assert answer.json() == {"items": ["a"]}
    assert "millrace-fallback" not in answer.headers
    assert (decision.failed, decision.reason) == (None, None)


async def test_the_fallback_answers_within_the_deadline_of_the_type() -> None:
    kind = failing("deadline-passed", deadline=timedelta(seconds=2))
    async with Shop(kind).running() as client:
        began = time.monotonic()
        answer = await client.post("/v1/recommend", json=BODY)
        took = time.monotonic() - began
    assert answer.headers["millrace-fallback"] == "second"
    assert 1.4 < took < 2


@pytest.mark.parametrize("default", [None, Recommendations(["default"])])
async def test_a_fallback_that_fails_too_leaves_the_default_or_the_first_failure(
    default: Recommendations | None, caplog: pytest.LogCaptureFixture
) -> None:
    kind = recommend(fallback="second", default=default, deadline=timedelta(milliseconds=80))

    @kind.implementation
    async def first(request: Recommend) -> Recommendations:
        raise StorageUnavailable("away")

    @kind.implementation
    async def second(request: Recommend) -> Recommendations:
        await asyncio.Event().wait()
        raise AssertionError

    shop = Shop(kind)
    service = shop.service()
    async with shop.running(service) as client:
        answer = await client.post("/v1/recommend", json=BODY)
    last = "nobody" if default is None else "default"

    assert service.metrics.counts()["recommend"].failures == {
        Failure("first", "storage-unavailable", last): 1,
        Failure("second", "deadline-passed", last): 1,
    }
    if default is None:
        assert (answer.status_code, answer.json()["type"]) == (503, "urn:millrace:problem:storage-unavailable")
        assert shop.kafka.decisions == []
    else:
        assert (answer.json(), answer.headers["millrace-fallback"]) == ({"items": ["default"]}, "default")
        assert [(item.implementation, item.failed) for item in shop.kafka.decisions] == [("default", "first")]


async def test_a_failing_fallback_is_in_the_log_with_its_own_error(caplog: pytest.LogCaptureFixture) -> None:
    kind = recommend(fallback="second", default=Recommendations([]))

    @kind.implementation
    async def first(request: Recommend) -> Recommendations:
        raise StorageUnavailable("away")

    @kind.implementation
    async def second(request: Recommend) -> Recommendations:
        raise KeyError("a slip")

    async with Shop(kind).running() as client:
        with caplog.at_level(logging.ERROR):
            await client.post("/v1/recommend", json=BODY)
    assert "recommend/second failed" in caplog.text
    assert "a slip" in caplog.text


async def test_while_a_storage_is_missing_or_away_the_fallback_answers_and_afterwards_no_more() -> None:
    class Away(MemoryReads):
        away = False

        async def top(self, *arguments: Any) -> tuple[Newest, list[list[tuple[str, float]]]]:
            if self.away:
                raise StorageUnavailable("away")
            return await super().top(*arguments)

    shop = Shop(popular(fallback="newest"))
    reads = Away(shop.memory)
    shop.catalogue = Catalogue({"memory": reads})
    service = shop.service()

    async def by() -> tuple[str | None, str]:
        answer = await client.post("/v1/recommend", json=BODY)
        assert answer.status_code == 200
        return answer.headers.get("millrace-fallback"), answer.headers["millrace-implementation"].partition("@")[0]

    async with shop.running(service) as client:
        assert (await client.get("/readyz")).status_code == 200
        assert await by() == ("newest", "newest")
        shop.learner()
        shop.learned(a=1.0)
        await shop.catalogue.refresh()
        service.endpoints.follow()
        assert await by() == (None, "popular_now")
        reads.away = True
        assert await by() == ("newest", "newest")
        reads.away = False
        assert await by() == (None, "popular_now")
    assert [item.reason for item in shop.kafka.decisions] == ["storage-missing", None, "storage-unavailable", None]


async def test_an_answer_by_the_fallback_is_as_old_as_what_the_fallback_reads() -> None:
    kind = recommend(fallback="second")

    @kind.implementation
    async def first(request: Recommend) -> Recommendations:
        raise StorageUnavailable("away")

    @kind.implementation
    async def second(request: Recommend, popular: RankingReader) -> Recommendations:
        return Recommendations([item for item, _ in await popular.top("all", 10)])

    shop = Shop(kind)
    shop.learner()
    shop.learned(NOON, a=1.0)
    async with shop.running() as client:
        answer = await client.post("/v1/recommend", json=BODY)
    assert answer.headers["millrace-as-of"] == "2026-11-24T12:00:00.000Z"
    assert [item.as_of for item in shop.kafka.decisions] == [NOON]


async def test_in_an_experiment_the_unit_keeps_its_variant_whoever_answers() -> None:
    split = Experiment("first", "recommend", {"popular_now": 50, "newest": 50}, "click")
    shop = Shop(popular(fallback="newest"), experiments=[split])
    async with shop.running() as client:
        for number in range(20):
            answer = await client.post("/v1/recommend", json={"user": f"u{number}"})
            instead = answer.headers["millrace-variant"] == "popular_now"
            assert answer.headers.get("millrace-fallback") == ("newest" if instead else None)
    assert {(item.variant, item.implementation, item.failed) for item in shop.kafka.decisions} == {
        ("popular_now", "newest", "popular_now"),
        ("newest", "newest", None),
    }


async def test_the_fallback_itself_has_the_whole_deadline_and_no_fallback() -> None:
    kind = failing("deadline-passed", fallback="first", default=Recommendations(["default"]))
    async with Shop(kind).running() as client:
        answer = await client.post("/v1/recommend/first", json=BODY)
    assert answer.headers["millrace-fallback"] == "default"


def test_a_fallback_that_is_no_implementation_is_refused_and_those_there_are_named() -> None:
    with pytest.raises(EndpointRefused, match="fallback 'nobody', no implementation; it has popular_now, newest"):
        Endpoints([popular(fallback="nobody")], [], Shop().catalogue)
    endpoints = Endpoints([popular()], [], Shop().catalogue)
    [problem] = endpoints.take([popular(fallback="nobody")])
    assert problem.startswith("recommend has the fallback")
    assert endpoints.current["recommend"].fallback is None


def test_readiness_counts_a_fallback_that_can_answer() -> None:
    assert Endpoints([popular(fallback="newest")], [], Shop().catalogue).obstacles() == {}
    assert list(Endpoints([popular(fallback="popular_now")], [], Shop().catalogue).obstacles()) == ["recommend"]


async def test_the_listing_tells_fallback_and_default() -> None:
    kind: EndpointType[Any, Any] = popular(fallback="newest", default=Recommendations(["x"]))
    async with Shop(kind).running() as client:
        [found] = (await client.get("/v1")).json()["endpoints"]
    assert (found["fallback"], found["default"]) == ("newest", {"items": ["x"]})
