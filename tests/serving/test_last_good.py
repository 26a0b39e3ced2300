"""Where nobody answers, the last good answer to the very same request does, as long as the type allows one so old."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from serving import EndpointRefused, answering, rotation
from serving.json_schema.json_type import json_type
from serving.last_good import Good, LastGood
from serving.measurements import Failure
from serving.provenance import NEVER
from storage import RankingReader, StorageUnavailable
from tests.serving.shop import NOON, Recommend, Recommendations, Shop, Type, recommend

FORM = json_type("recommend", Recommendations, "written")


class Clock:
    """What `answering` takes for the time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_000.0
        monkeypatch.setattr(answering, "perf_counter", lambda: self.now)


class Store:
    """Whether the implementations of `kind` can answer, and how often they were asked."""

    def __init__(self) -> None:
        self.away = False
        self.asked = 0

    def kind(self, **options: Any) -> Type:
        kind = recommend(last_good=timedelta(minutes=10), **options)

        @kind.implementation
        async def first(request: Recommend, popular: RankingReader) -> Recommendations:
            self.asked += 1
            if self.away:
                raise StorageUnavailable("away")
            return Recommendations([f"{self.asked} for {request.user}"])

        @kind.implementation
        async def second(request: Recommend) -> Recommendations:
            if self.away:
                raise StorageUnavailable("away")
            return Recommendations(["second"])

        return kind


@pytest.fixture
def store() -> Store:
    return Store()


def shop_of(kind: Type) -> Shop:
    shop = Shop(kind)
    shop.learner()
    shop.learned(a=1.0)
    return shop


async def test_it_answers_with_its_age_and_header_log_and_metrics_say_so(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, kind = Clock(monkeypatch), store.kind(fallback="second", default=Recommendations(["default"]))
    shop = shop_of(kind)
    service = shop.service()
    async with shop.running(service) as client:
        await client.post("/v1/recommend", json={"user": "u1"})
        store.away, clock.now = True, clock.now + 42.7
        answer = await client.post("/v1/recommend", json={"user": "u1"})
    hash = kind.implementations["first"].hash
    decision = shop.kafka.decisions[-1]

    assert (answer.status_code, answer.json()) == (200, {"items": ["1 for u1"]})
    assert (answer.headers["millrace-fallback"], answer.headers["age"]) == ("last-good", "42")
    assert answer.headers["millrace-implementation"] == f"last-good@{hash}"
    assert answer.headers["millrace-as-of"] == "2026-11-24T12:00:00.000Z"
    assert (decision.implementation, decision.hash, decision.as_of) == ("last-good", hash, NOON)
    assert (decision.failed, decision.reason) == ("first", "storage-unavailable")
    assert service.metrics.counts()["recommend"].failures == {
        Failure("first", "storage-unavailable", "last-good"): 1,
        Failure("second", "storage-unavailable", "last-good"): 1,
    }


@pytest.mark.parametrize("other", [{"user": "u2"}, {"user": "u1", "page": {"size": 3}}])
async def test_another_unit_or_another_request_never_gets_it(store: Store, other: dict[str, Any]) -> None:
    async with shop_of(store.kind(default=Recommendations(["default"]))).running() as client:
        await client.post("/v1/recommend", json={"user": "u1"})
        store.away = True
        answer = await client.post("/v1/recommend", json=other)
        same = await client.post("/v1/recommend", json={"user": "u1"})
    assert (answer.json(), answer.headers["millrace-fallback"]) == ({"items": ["default"]}, "default")
    assert same.headers["millrace-fallback"] == "last-good"


async def test_who_asks_an_implementation_by_its_name_gets_no_answer_of_another(store: Store) -> None:
    async with shop_of(store.kind()).running() as client:
        await client.post("/v1/recommend", json={"user": "u1"})
        await client.post("/v1/recommend/second", json={"user": "u1"})
        store.away = True
        first = await client.post("/v1/recommend/first", json={"user": "u1"})
        second = await client.post("/v1/recommend/second", json={"user": "u1"})
    assert first.status_code == 503
    assert second.json() == {"items": ["second"]}


async def test_a_declared_fallback_that_answers_comes_first_and_is_not_remembered(store: Store) -> None:
    kind = recommend(last_good=timedelta(minutes=1), fallback="second")
    down: set[str] = {"first"}

    @kind.implementation
    async def first(request: Recommend) -> Recommendations:
        if "first" in down:
            raise StorageUnavailable("away")
        return Recommendations(["first"])

    @kind.implementation
    async def second(request: Recommend) -> Recommendations:
        if "second" in down:
            raise StorageUnavailable("away")
        return Recommendations(["second"])

    async with Shop(kind).running() as client:
        answer = await client.post("/v1/recommend", json={"user": "u1"})
        assert answer.headers["millrace-fallback"] == "second"
        down.add("second")
        answer = await client.post("/v1/recommend", json={"user": "u1"})
        assert answer.status_code == 503
        down.clear()
        await client.post("/v1/recommend", json={"user": "u1"})
        down |= {"first", "second"}
        answer = await client.post("/v1/recommend", json={"user": "u1"})
    assert (answer.json(), answer.headers["millrace-fallback"]) == ({"items": ["first"]}, "last-good")


async def test_what_is_older_than_the_type_allows_is_not_given(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    async with shop_of(store.kind()).running() as client:
        await client.post("/v1/recommend", json={"user": "u1"})
        store.away, clock.now = True, clock.now + 601
        answer = await client.post("/v1/recommend", json={"user": "u1"})
    assert answer.status_code == 503


async def test_a_type_that_does_not_ask_for_it_gives_no_old_answers(store: Store) -> None:
    kind = recommend()

    @kind.implementation
    async def first(request: Recommend) -> Recommendations:
        if store.away:
            raise StorageUnavailable("away")
        return Recommendations(["first"])

    async with Shop(kind).running() as client:
        await client.post("/v1/recommend", json={"user": "u1"})
        store.away = True
        answer = await client.post("/v1/recommend", json={"user": "u1"})
    assert answer.status_code == 503


async def test_what_is_out_of_rotation_is_not_waited_for_where_there_is_a_last_good_answer(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotation, "PAUSE", 1_000.0)
    async with shop_of(store.kind()).running() as client:
        await client.post("/v1/recommend", json={"user": "u1"})
        store.away = True
        for _ in range(30):
            answer = await client.post("/v1/recommend", json={"user": "u1"})
            assert answer.headers["millrace-fallback"] == "last-good"
        assert store.asked == 1 + rotation.BUDGET
        unknown = await client.post("/v1/recommend", json={"user": "u2"})
        store.away = False
        back = await client.post("/v1/recommend", json={"user": "u2"})
    assert (unknown.status_code, back.status_code) == (503, 200)


def test_an_age_that_is_none_is_refused() -> None:
    with pytest.raises(EndpointRefused, match="an age above 0"):
        recommend(last_good=timedelta(0))


def good(answer: bytes, at: float = 0.0, form: Any = FORM) -> Good:
    return Good(answer, form, "abc", NEVER, at)


def test_it_takes_no_more_than_its_room_and_forgets_what_was_kept_first() -> None:
    known = LastGood(10_000)
    for number in range(100):
        known.keep((None, b"%d" % number), good(b"x" * 400))
        known.keep((None, b"0"), good(b"y" * 400))
    assert known.size <= 10_000
    assert 5 < len(known) < 11
    assert known.find((None, b"0"), FORM, 0.0) == good(b"y" * 400)
    assert known.find((None, b"1"), FORM, 0.0) is None
    before = len(known)
    known.keep((None, b"large"), good(b"x" * 2_000))
    known.keep((None, b"0"), good(b"x" * 2_000))
    assert known.find((None, b"0"), FORM, 0.0) is None
    assert len(known) == before - 1


def test_an_answer_of_another_form_is_none() -> None:
    known = LastGood(10_000)
    known.keep((None, b"0"), good(b"{}"))
    assert known.find((None, b"0"), json_type("other", Recommendations, "written"), 0.0) is not None
    assert known.find((None, b"0"), json_type("other", Recommend, "written"), 0.0) is None
    assert (len(known), known.size) == (0, 0)
