"""What a live service gets for what it asks: an answer with its provenance, or a problem that says what was wrong."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Annotated

import httpx
import msgspec
import pytest

from schemas import DecisionId
from serving import EndpointType, Golden
from serving.answering import LIMIT
from storage import Catalogue, MemoryReads, RankingReader, StorageUnavailable, Vectors, VectorsReader
from storage.technologies import lacking
from storage.technology import Newest
from tests.serving.shop import NOON, SPLIT, Recommend, Recommendations, Shop, popular, recommend


class Numbered(msgspec.Struct):
    """A request about several things at once."""

    ids: list[int]


@pytest.fixture
async def shop() -> Shop:
    shop = Shop()
    shop.learner()
    shop.learned(a=3.0, b=2.0)
    return shop


@pytest.fixture
async def client(shop: Shop) -> AsyncIterator[httpx.AsyncClient]:
    async with shop.running() as client:
        yield client


async def test_the_body_is_exactly_the_response_and_the_headers_say_where_it_comes_from(
    client: httpx.AsyncClient, shop: Shop
) -> None:
    answer = await client.post("/v1/recommend", json={"user": "u1"})
    hash = shop.types[0].implementations["popular_now"].hash

    assert (answer.status_code, answer.json()) == (200, {"items": ["a", "b"]})
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["content-length"] == str(len(answer.content))
    assert answer.headers["millrace-implementation"] == f"popular_now@{hash}"
    assert answer.headers["millrace-as-of"] == "2026-11-24T12:00:00.000Z"
    assert DecisionId.parse(answer.headers["millrace-decision"]).experiment is None
    assert not {"millrace-variant", "millrace-fallback"} & set(answer.headers)


async def test_a_request_may_leave_out_what_has_a_default_and_set_what_has_limits(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/recommend", json={"user": "u1", "page": {"size": 1}})
    assert answer.json() == {"items": ["a"]}


async def test_every_answer_is_logged_as_a_decision_with_the_bytes_that_travelled(shop: Shop) -> None:
    body = b'{ "user" : "u1" }'
    async with shop.running() as client:
        answer = await client.post("/v1/recommend", content=body)
    [decision] = shop.kafka.decisions

    assert decision.id == answer.headers["millrace-decision"]
    assert (decision.request, decision.answer) == (body.decode(), answer.text)
    assert (decision.endpoint, decision.implementation, decision.unit) == ("recommend", "popular_now", "u1")
    assert (decision.experiment, decision.variant, decision.propensity) == (None, None, 1.0)
    assert decision.as_of == NOON
    assert decision.at == DecisionId.parse(decision.id).at
    assert 0 < decision.latency_ms < 1000


async def test_what_got_no_answer_is_no_decision(shop: Shop) -> None:
    async with shop.running() as client:
        await client.post("/v1/recommend", json={})
        await client.post("/v1/recommend/nobody", json={"user": "u1"})
        counts = (await client.get("/v1/decisions")).json()
    assert not any(counts.values())
    assert shop.kafka.decisions == []


async def test_an_unknown_type_is_not_found_and_the_known_ones_are_listed(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/recommed", json={"user": "u1"})

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["known"] == ["recommend"]
    assert "recommed" in answer.json()["detail"]


async def test_an_unknown_implementation_is_not_found_and_the_known_ones_are_listed(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/recommend/nobody", json={"user": "u1"})
    assert (answer.status_code, answer.json()["known"]) == (404, ["popular_now", "newest"])


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        ({"user": 7}, "user", "Expected `str`, got `int`"),
        ({}, "user", "missing required field"),
        ({"user": "u1", "page": {"size": 0}}, "page.size", ">= 1"),
        ({"user": "u1", "page": {"size": "ten"}}, "page.size", "Expected `int`"),
        ([], None, "Expected `object`"),
    ],
)
async def test_a_wrong_request_is_refused_with_the_field_that_is_wrong(
    client: httpx.AsyncClient, body: object, field: str | None, words: str
) -> None:
    answer = await client.post("/v1/recommend", json=body)

    problem = answer.json()
    assert (answer.status_code, problem["status"], problem["field"]) == (400, 400, field)
    assert words in problem["detail"]
    assert problem["detail"].startswith(f"{field}: " if field else "Expected")
    assert problem["type"] == "urn:millrace:problem:wrong-field"


@pytest.mark.parametrize("body", [b"", b"{", b'{"user": "u1"} trailing', b'{"user": "\xff"}', b"\x00"])
async def test_what_is_no_json_is_refused(client: httpx.AsyncClient, body: bytes) -> None:
    answer = await client.post("/v1/recommend", content=body)
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:millrace:problem:not-json")


async def test_a_body_above_the_limit_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/recommend", json={"user": "u" * LIMIT})
    assert (answer.status_code, answer.json()["limit"]) == (413, LIMIT)


async def test_a_body_without_a_length_is_read_no_further_than_the_limit(client: httpx.AsyncClient) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(1000):
            sent += 64 * 1024
            yield b" " * (64 * 1024)

    answer = await client.post("/v1/recommend", content=endless())
    assert answer.status_code == 413
    assert sent <= 2 * LIMIT


@pytest.mark.parametrize("depth", [40, 100_000])
async def test_json_that_is_nested_too_deep_is_refused(client: httpx.AsyncClient, depth: int) -> None:
    body = b'{"user": "u1", "tags": %s%s}' % (b"[" * depth, b"]" * depth)
    answer = await client.post("/v1/recommend", content=body)
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:millrace:problem:nested-too-deep")


async def test_brackets_beside_each_other_or_in_a_text_are_no_nesting(client: httpx.AsyncClient) -> None:
    harmless: list[object] = [[[]] * 100, "[" * 1000, '\\"' + "{" * 1000]
    for tags in harmless:
        assert (await client.post("/v1/recommend", json={"user": "u1", "tags": tags})).status_code == 200


async def test_a_wrong_method_and_a_wrong_address_get_problems_too(client: httpx.AsyncClient) -> None:
    assert "GET /v1/recommend is nothing that can be asked; it takes POST;" in (await client.get("/v1/recommend")).text
    for answer, status in ((await client.get("/v1/recommend"), 405), (await client.get("/nowhere"), 404)):
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == status


async def test_after_the_deadline_a_type_without_a_default_answers_that_it_was_too_late() -> None:
    kind = recommend(deadline=timedelta(milliseconds=20))

    @kind.implementation
    async def slow(request: Recommend) -> Recommendations:
        await asyncio.Event().wait()
        raise AssertionError

    async with Shop(kind).running() as client:
        answer = await client.post("/v1/recommend", json={"user": "u1"})
    assert (answer.status_code, answer.json()["detail"]) == (504, "slow gave no answer within 20 ms.")


async def test_after_the_deadline_the_default_answers_and_says_so() -> None:
    kind = recommend(deadline=timedelta(milliseconds=20), default=Recommendations(["default"]))

    @kind.implementation
    async def slow(request: Recommend) -> Recommendations:
        await asyncio.Event().wait()
        raise AssertionError

    shop = Shop(kind)
    async with shop.running() as client:
        answer = await client.post("/v1/recommend", json={"user": "u1"})
    [decision] = shop.kafka.decisions

    assert (answer.status_code, answer.json()) == (200, {"items": ["default"]})
    assert (answer.headers["millrace-fallback"], answer.headers["millrace-implementation"]) == ("default", "default")
    assert (decision.implementation, decision.hash, decision.as_of) == ("default", "", None)
    assert decision.latency_ms >= 20


async def test_a_time_out_inside_the_implementation_is_its_failure_and_not_the_deadline() -> None:
    kind = recommend()

    @kind.implementation
    async def impatient(request: Recommend) -> Recommendations:
        raise TimeoutError

    async with Shop(kind).running() as client:
        assert (await client.post("/v1/recommend", json={"user": "u1"})).status_code == 500


async def test_an_implementation_that_raises_is_logged_and_tells_the_client_nothing_internal(
    caplog: pytest.LogCaptureFixture,
) -> None:
    kind = recommend()

    @kind.implementation
    async def broken(request: Recommend) -> Recommendations:
        raise ValueError("password is hunter2")

    async with Shop(kind).running() as client:
        with caplog.at_level(logging.ERROR):
            answer = await client.post("/v1/recommend", json={"user": "u1"})

    assert answer.status_code == 500
    assert "hunter2" not in answer.text
    assert "Traceback" not in answer.text
    assert "password is hunter2" in caplog.text
    assert "recommend/broken failed" in caplog.text


@pytest.mark.parametrize("thread", [False, True], ids=["async def", "def"])
async def test_an_implementation_that_would_end_the_process_ends_its_own_answer_alone(thread: bool) -> None:
    kind = popular()

    async def leaving(request: Recommend) -> Recommendations:
        sys.exit(0)

    def leaving_thread(request: Recommend) -> Recommendations:
        sys.exit(0)

    kind.implementation(leaving_thread if thread else leaving)
    async with Shop(kind).running() as client:
        name = "leaving_thread" if thread else "leaving"
        assert (await client.post(f"/v1/recommend/{name}", json={"user": "u1"})).status_code == 500
        assert (await client.post("/v1/recommend/newest", json={"user": "u1"})).status_code == 200


async def test_an_answer_of_another_type_than_declared_is_a_failure(caplog: pytest.LogCaptureFixture) -> None:
    kind = recommend()

    @kind.implementation
    async def confused(request: Recommend) -> Recommendations:
        return request  # type: ignore[return-value]

    async with Shop(kind).running() as client:
        assert (await client.post("/v1/recommend", json={"user": "u1"})).status_code == 500
    assert "it answered Recommend, which is not Recommendations" in caplog.text


async def test_a_plain_function_runs_in_a_thread_of_its_own() -> None:
    kind = recommend()

    @kind.implementation
    def model(request: Recommend) -> Recommendations:
        return Recommendations([threading.current_thread().name])

    async with Shop(kind).running() as client:
        [name] = (await client.post("/v1/recommend", json={"user": "u1"})).json()["items"]
    assert name.startswith("millrace-implementation")


async def test_a_plain_function_that_is_late_does_not_hold_up_its_answer() -> None:
    kind = recommend(deadline=timedelta(milliseconds=20))
    release = threading.Event()

    @kind.implementation
    def slow(request: Recommend) -> Recommendations:
        release.wait(10)
        return Recommendations([])

    async with Shop(kind).running() as client:
        began = time.monotonic()
        answer = await client.post("/v1/recommend", json={"user": "u1"})
        took = time.monotonic() - began
        release.set()
    assert answer.status_code == 504
    assert took < 5


async def test_an_implementation_without_its_storage_says_what_exists_and_comes_alive_when_a_learner_makes_it() -> None:
    shop = Shop()
    shop.learner("other")
    async with shop.running() as client:
        answer = await client.post("/v1/recommend", json={"user": "u1"})
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "1"
        assert "popular" in answer.json()["detail"]
        assert "memory/ranking/other@1" in answer.json()["detail"]
        assert (await client.get("/readyz")).status_code == 503

        shop.learner()
        began = time.monotonic()
        while (await client.get("/readyz")).status_code != 200:
            assert time.monotonic() - began < 20
            await asyncio.sleep(0.01)

        assert time.monotonic() - began < 10
        assert (await client.post("/v1/recommend", json={"user": "u1"})).json() == {"items": []}


async def test_a_storage_that_does_not_answer_is_a_problem_that_names_no_server() -> None:
    class Away(MemoryReads):
        async def top(self, *_: object) -> tuple[Newest, list[list[tuple[str, float]]]]:
            raise StorageUnavailable("redis://secret-host:6379 refused")

    shop = Shop()
    shop.learner()
    shop.catalogue = Catalogue({"memory": Away(shop.memory)})
    async with shop.running() as client:
        answer = await client.post("/v1/recommend", json={"user": "u1"})
        other = await client.post("/v1/recommend/newest", json={"user": "u1"})
    assert answer.status_code == 503
    assert "secret-host" not in answer.text
    assert other.status_code == 200


class Recognise(msgspec.Struct, frozen=True):
    """Asks for the items nearest to a vector."""

    user: str
    vector: list[float]


def near() -> EndpointType[Recognise, Recommendations]:
    """An endpoint type that asks `nearest` with what the client gave."""
    kind = EndpointType(
        "near",
        Recognise,
        Recommendations,
        unit="user",
        deadline=timedelta(seconds=2),
        golden=[Golden(Recognise("u1", [1.0, 0.0]), lambda answer: True)],
    )

    @kind.implementation
    async def by_vector(request: Recognise, items: VectorsReader) -> Recommendations:
        return Recommendations([key for key, _ in await items.nearest(request.vector, 3)])

    return kind


def near_shop(reads: type[MemoryReads] = MemoryReads) -> Shop:
    shop = Shop(near())
    descriptor = shop.memory.declare(Vectors("items", 2, technology="memory").describe("items", 1, 1, "clicks"))
    shop.memory.point([descriptor])
    shop.catalogue = Catalogue({"memory": reads(shop.memory)})
    return shop


async def said(client: httpx.AsyncClient) -> str | None:
    """What `/v1` says is wrong with the implementation."""
    found = (await client.get("/v1")).json()["endpoints"][0]["implementations"][0]["error"]
    assert found is None or isinstance(found, str)
    return found


@pytest.mark.parametrize(
    ("vector", "why"), [([1.0, 0.0, 0.0], "3 numbers instead of 2"), ([0.0, 0.0], "it is all zeros")]
)
async def test_a_vector_that_cannot_be_asked_for_is_no_outage_and_the_client_is_told_why(
    vector: list[float], why: str
) -> None:
    async with near_shop().running() as client:
        refused = await client.post("/v1/near", json={"user": "u1", "vector": vector})
        assert await said(client) is None, "it is the client's mistake"
        right = await client.post("/v1/near", json={"user": "u1", "vector": [1.0, 0.0]})
        assert await said(client) is None

    assert refused.status_code == 422
    assert "retry-after" not in refused.headers
    assert why in refused.json()["detail"]
    assert right.status_code == 200


async def test_what_a_technology_cannot_do_is_no_outage_and_is_said_once_in_the_log_in_the_index_and_in_the_facts(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Without(MemoryReads):
        async def nearest(self, *_: object) -> list[tuple[str, float]]:
            raise lacking("redis", "nearest", "redis/vectors/items@1")

    shop = near_shop(Without)
    service = shop.service()
    async with shop.running(service) as client:
        answers = [await client.post("/v1/near", json={"user": "u1", "vector": [1.0, 0.0]}) for _ in range(3)]
        assert "it has no vector index" in (await said(client) or "")
        [facts] = service.endpoints.facts()

    assert [answer.status_code for answer in answers] == [500, 500, 500]
    assert "redis cannot do that with redis/vectors/items@1: it has no vector index" in answers[0].json()["detail"]
    assert len([record for record in caplog.records if "it has no vector index" in record.message]) == 1
    assert facts.faults[0].startswith("by_vector: redis cannot do that")


async def test_a_name_follows_to_the_next_version_of_its_storage(shop: Shop) -> None:
    service = shop.service()
    async with shop.running(service) as client:
        shop.learner("popular", version=2)
        shop.learned(name="popular", version=2, z=1.0)
        await shop.catalogue.refresh()
        service.endpoints.follow()

        assert (await client.post("/v1/recommend", json={"user": "u1"})).json() == {"items": ["z"]}
    assert service.endpoints.facts()[0].implementations[0].reads == ("memory/ranking/popular@2",)


async def test_an_experiment_gives_a_unit_the_same_variant_always_and_logs_its_propensity() -> None:
    shop = Shop(popular(), experiments=[SPLIT])
    shop.learner()
    async with shop.running() as client:
        given: dict[str, str] = {}
        for unit in [f"u{number}" for number in range(40)] * 2:
            answer = await client.post("/v1/recommend", json={"user": unit})
            variant = answer.headers["millrace-variant"]
            assert given.setdefault(unit, variant) == variant
            assert answer.headers["millrace-implementation"].startswith(f"{variant}@")
            assert DecisionId.parse(answer.headers["millrace-decision"]).variant == variant
    assert set(given.values()) == {"popular_now", "newest"}
    assert {(item.experiment, item.variant, item.propensity) for item in shop.kafka.decisions} == {
        ("first", "popular_now", 0.5),
        ("first", "newest", 0.5),
    }


async def test_an_implementation_that_is_asked_by_name_stands_outside_the_experiment_and_is_logged() -> None:
    shop = Shop(popular(), experiments=[SPLIT])
    shop.learner()
    async with shop.running() as client:
        for number in range(10):
            answer = await client.post("/v1/recommend/newest", json={"user": f"u{number}"})
            assert answer.json() == {"items": ["new"]}
            assert "millrace-variant" not in answer.headers
            assert answer.headers["millrace-decision"].endswith(".-.-")
    assert [(item.implementation, item.experiment, item.propensity) for item in shop.kafka.decisions] == [
        ("newest", None, 1.0)
    ] * 10


async def test_a_failing_variant_keeps_its_place_in_the_log_of_the_experiment() -> None:
    """Otherwise the units of a failing variant would be missing from its rate."""
    shop = Shop(popular(default=Recommendations([])), experiments=[SPLIT])
    async with shop.running() as client:
        for number in range(20):
            await client.post("/v1/recommend", json={"user": f"u{number}"})
    given = {(item.variant, item.implementation) for item in shop.kafka.decisions}
    assert given == {("popular_now", "default"), ("newest", "newest")}


async def test_a_unit_that_is_no_text_is_logged_as_its_json() -> None:
    kind = EndpointType("numbers", Numbered, Recommendations, unit="ids")

    @kind.implementation
    async def none(request: Numbered) -> Recommendations:
        return Recommendations([])

    shop = Shop(kind)
    async with shop.running() as client:
        await client.post("/v1/numbers", json={"ids": [1, 2]})
    assert [item.unit for item in shop.kafka.decisions] == ["[1,2]"]


async def test_readers_of_an_implementation_may_be_asked_for_under_another_name() -> None:
    kind = recommend()

    @kind.implementation
    async def renamed(request: Recommend, near: Annotated[RankingReader, "popular"]) -> Recommendations:
        return Recommendations([item for item, _ in await near.top("all", 10)])

    shop = Shop(kind)
    shop.learner()
    shop.learned(a=1.0)
    async with shop.running() as client:
        assert (await client.post("/v1/recommend", json={"user": "u1"})).json() == {"items": ["a"]}
