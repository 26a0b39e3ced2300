"""A type's second version beside its first: each keeps its callers, its counts, its experiment and its schemas."""

from __future__ import annotations

from typing import Any

import httpx
import msgspec
import pytest

from serving import Client, EndpointRefused, EndpointType, Experiment
from serving.endpoints import Endpoints
from tests.serving.shop import Recommend, Recommendations, Shop, popular, recommend
from tests.serving.test_openapi import operations, resolved


class Item(msgspec.Struct):
    """An item of the second version."""

    id: str
    score: float


def second() -> EndpointType[Any, Any]:
    """A version whose classes are called as those of the first, and are others."""
    asked = msgspec.defstruct("Recommend", [("member", str), ("size", int, 10)])
    answered = msgspec.defstruct("Recommendations", [("items", list[Item])])
    kind = EndpointType("recommend", asked, answered, unit="member", version=2)

    @kind.implementation
    async def scored(request: Any) -> Any:
        return answered(items=[Item("a", 1.0)][: request.size])

    return kind


def of_one(**fields: Any) -> EndpointType[Any, Any]:
    """The first version with further fields in its answer."""
    answered = msgspec.defstruct("Recommendations", [("items", list[str]), *fields.items()])
    kind = EndpointType("recommend", Recommend, answered, unit="user")

    @kind.implementation
    async def popular_now(request: Recommend) -> Any:
        return answered(["new"], *(item() for item in fields.values()))

    return kind


@pytest.fixture
def shop() -> Shop:
    shop = Shop(popular(), second())
    shop.learner()
    shop.learned(a=3.0)
    return shop


async def test_each_version_answers_at_its_own_address_by_its_own_types(shop: Shop) -> None:
    async with shop.running() as client:
        one = await client.post("/v1/recommend", json={"user": "u1"})
        also_one = await client.post("/v1/recommend@1", json={"user": "u1"})
        two = await client.post("/v1/recommend@2", json={"member": "u1"})
        named = await client.post("/v1/recommend@2/scored", json={"member": "u1"})
        wrong = await client.post("/v1/recommend@2", json={"user": "u1"})
        none = await client.post("/v1/recommend@3", json={"user": "u1"})
    assert one.json() == also_one.json() == {"items": ["a"]}
    assert two.json() == named.json() == {"items": [{"id": "a", "score": 1.0}]}
    assert (wrong.status_code, wrong.json()["field"]) == (400, "member")
    assert (none.status_code, none.json()["known"]) == (404, ["recommend", "recommend@2"])


async def test_log_and_counts_tell_the_versions_apart(shop: Shop) -> None:
    async with shop.running() as client:
        await client.post("/v1/recommend", json={"user": "u1"})
        await client.post("/v1/recommend@2", json={"member": "u2"})
        metrics = (await client.get("/metrics")).text
    assert [(item.endpoint, item.unit) for item in shop.kafka.decisions] == [("recommend", "u1"), ("recommend@2", "u2")]
    for endpoint in ("recommend", "recommend@2"):
        assert f'millrace_answer_seconds_count{{endpoint="{endpoint}"}} 1' in metrics


async def test_an_experiment_is_on_one_version_alone(shop: Shop) -> None:
    shop.experiments = [Experiment("scores", "recommend@2", {"scored": 1}, "click")]
    async with shop.running() as client:
        one = await client.post("/v1/recommend", json={"user": "u1"})
        two = await client.post("/v1/recommend@2", json={"member": "u1"})
    assert "millrace-variant" not in one.headers
    assert two.headers["millrace-variant"] == "scored"


async def test_a_caller_of_the_first_never_gets_the_second_even_when_the_first_is_gone() -> None:
    async with Shop(second()).running() as client:
        answer = await client.post("/v1/recommend", json={"user": "u1"})
    assert (answer.status_code, answer.json()["known"]) == (404, ["recommend@2"])


async def test_the_client_asks_the_version_of_the_type_that_it_is_given(shop: Shop) -> None:
    kind = second()
    async with shop.running() as http:
        client = Client("http://shop", http=http)
        answer = await client.ask(kind, kind.request(member="u1"))
    assert answer.value.items == [Item("a", 1.0)]
    assert answer.implementation.startswith("scored@")


async def test_listing_and_openapi_have_both_with_their_own_schemas_though_classes_share_their_names(
    shop: Shop,
) -> None:
    async with shop.running() as client:
        listed = (await client.get("/v1")).json()["endpoints"]
        found = (await client.get("/openapi.json")).json()
        page = await client.get("/docs")
    assert [(item["version"], item["address"]) for item in listed] == [(1, "/v1/recommend"), (2, "/v1/recommend@2")]
    assert list(listed[1]["request"]["$defs"]["Recommend"]["properties"]) == ["member", "size"]
    assert listed[0]["changes"] == []
    assert "`member` of the request must be given now" in listed[1]["changes"]
    assert "`items[]` of the answer was string and may be object now" in listed[1]["changes"]
    schemas = found["components"]["schemas"]
    assert list(schemas["Recommend"]["properties"]) == ["user", "page", "tags"]
    assert list(schemas["recommend.2.request.Recommend"]["properties"]) == ["member", "size"]
    post = found["paths"]["/v1/recommend@2"]["post"]
    schema = post["requestBody"]["content"]["application/json"]["schema"]
    assert schema == {"$ref": "#/components/schemas/recommend.2.request.Recommend"}
    assert all(resolved(found))
    assert len({one["operationId"] for one in operations(found)}) == len(operations(found))
    assert "POST /v1/recommend@2" in page.text


@pytest.mark.parametrize("version", [0, -1, 1.5, "2"])
def test_a_version_is_a_whole_number_from_one_on(version: Any) -> None:
    with pytest.raises(EndpointRefused, match="versions are 1, 2, 3"):
        recommend(version=version)


def test_two_types_of_one_name_and_version_are_refused() -> None:
    with pytest.raises(EndpointRefused, match="Two endpoint types are named recommend@2"):
        Endpoints([second(), second()], [], Shop().catalogue)


async def test_a_saved_change_that_breaks_callers_is_not_taken_and_the_fields_are_named() -> None:
    shop = Shop(of_one(score=float, because=list))
    service = shop.service()
    async with shop.running(service) as client:
        [problem] = service.endpoints.take([of_one(score=str)])
        answer = await client.post("/v1/recommend", json={"user": "u1"})
    assert problem.startswith("recommend: this change breaks those who ask version 1: ")
    assert "`score` of the answer was number and may be string now" in problem
    assert "`because` of the answer is gone" in problem
    assert "beside it, with the next version" in problem
    assert answer.json() == {"items": ["new"], "score": 0.0, "because": []}
    assert service.endpoints.facts()[0].refusals == (problem,)


async def test_a_saved_change_that_breaks_nobody_is_live() -> None:
    shop = Shop(of_one())
    service = shop.service()
    async with shop.running(service) as client:
        assert service.endpoints.take([of_one(score=float)]) == ()
        answer = await client.post("/v1/recommend", json={"user": "u1"})
    assert answer.json() == {"items": ["new"], "score": 0.0}


async def test_the_change_that_was_refused_is_live_as_a_version_beside_the_one_that_stays() -> None:
    shop = Shop(popular())
    service = shop.service()
    async with shop.running(service) as client:
        assert service.endpoints.take([popular(), second()]) == ()
        assert (await client.post("/v1/recommend/newest", json={"user": "u1"})).json() == {"items": ["new"]}
        assert (await client.post("/v1/recommend@2", json={"member": "u1"})).status_code == 200
        assert service.endpoints.take([second()]) == ()
        gone: httpx.Response = await client.post("/v1/recommend", json={"user": "u1"})
    assert gone.status_code == 404


def test_a_problem_of_one_version_is_not_told_of_the_other() -> None:
    endpoints = Endpoints([popular(), second()], [], Shop().catalogue)
    endpoints.refuse(["recommend@2/scored: golden request 1 raised."])
    assert {item.name: len(item.errors) for item in endpoints.facts()} == {"recommend": 0, "recommend@2": 1}
    endpoints.refuse(["recommend/popular_now: golden request 1 raised."])
    assert {item.name: len(item.errors) for item in endpoints.facts()} == {"recommend": 1, "recommend@2": 0}


def test_what_is_taken_is_what_the_type_says_now() -> None:
    endpoints = Endpoints([popular()], [], Shop().catalogue)
    endpoints.take([popular(default=Recommendations(["d"]))])
    assert endpoints.current["recommend"].default == b'{"items":["d"]}'
