"""Models of pydantic as requests and answers: checked, described and refused as structs are, needed by no other."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar

import httpx
import pytest
from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic.dataclasses import dataclass

from serving import Client, EndpointRefused, EndpointType, Golden, run_golden
from tests.serving.shop import Recommend, Recommendations, Shop
from tests.serving.test_openapi import resolved


class Page(BaseModel):
    """Which part of a list."""

    size: Annotated[int, Field(ge=1, le=100)] = 10


class Search(BaseModel):
    """Asks for films by a text."""

    user: str
    text: str = Field(alias="q", max_length=20)
    page: Page = Page()
    since: datetime | None = None

    @field_validator("text")
    @classmethod
    def not_blank(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("it is blank")
        return value


class Film(BaseModel):
    """A film that was found."""

    id: str
    title: str = Field(alias="shownTitle")
    score: float


class Found(BaseModel):
    """Films, best first."""

    films: list[Film]


def search(**options: Any) -> EndpointType[Search, Found]:
    golden: list[Golden[Search, Found]] = [Golden(Search(user="u1", q="alien"), lambda answer: len(answer.films) == 1)]
    kind = EndpointType("search", Search, Found, unit="user", **{"golden": golden, **options})

    @kind.implementation
    async def by_text(request: Search) -> Found:
        return Found(films=[Film(id="1", shownTitle=request.text, score=request.page.size)])

    return kind


async def asked(kind: EndpointType[Any, Any], body: Any) -> httpx.Response:
    async with Shop(kind).running() as client:
        return await client.post(f"/v1/{kind.title}", json=body)


async def test_a_model_is_read_by_its_aliases_and_written_by_them() -> None:
    answer = await asked(search(), {"user": "u1", "q": "alien", "page": {"size": 3}})
    assert answer.json() == {"films": [{"id": "1", "shownTitle": "alien", "score": 3.0}]}
    assert answer.headers["content-length"] == str(len(answer.content))


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        ({"user": "u1"}, "q", "Field required"),
        ({"user": "u1", "q": "a", "page": {"size": 0}}, "page.size", "greater than or equal to 1"),
        ({"user": "u1", "q": " "}, "q", "it is blank"),
        ({"user": 7, "q": "x" * 30}, "user", "q: String should have at most 20"),
        ([], None, "should be an object"),
    ],
)
async def test_a_wrong_request_is_refused_with_the_fields_that_are_wrong(
    body: object, field: str | None, words: str
) -> None:
    answer = await asked(search(), body)
    problem = answer.json()
    assert (answer.status_code, problem["type"], problem["field"]) == (400, "urn:millrace:problem:wrong-field", field)
    assert words in problem["detail"]
    assert "xxxx" not in problem["detail"]


@pytest.mark.parametrize("body", [b"", b"{", b'{"user": "\xff"}', b"\x00"])
async def test_what_is_no_json_is_refused(body: bytes) -> None:
    async with Shop(search()).running() as client:
        answer = await client.post("/v1/search", content=body)
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:millrace:problem:not-json")


async def test_an_answer_whose_fields_are_not_what_the_model_says_is_not_sent(caplog: pytest.LogCaptureFixture) -> None:
    kind = EndpointType("search", Search, Found, unit="user")

    @kind.implementation
    async def careless(request: Search) -> Found:
        return Found.model_construct(films=[Film.model_construct(id=7, title="x", score="high")])

    assert (await asked(kind, {"user": "u1", "q": "alien"})).status_code == 500
    assert "search/careless failed" in caplog.text


async def test_an_answer_of_another_model_is_a_failure(caplog: pytest.LogCaptureFixture) -> None:
    kind = EndpointType("search", Search, Found, unit="user")

    @kind.implementation
    async def confused(request: Search) -> Any:
        return request

    assert (await asked(kind, {"user": "u1", "q": "alien"})).status_code == 500
    assert "it answered Search, which is not Found" in caplog.text


async def test_a_default_golden_requests_and_a_unit_may_be_models() -> None:
    kind = EndpointType("paged", Search, Found, unit="page", default=Found(films=[]))

    @kind.implementation
    async def broken(request: Search) -> Found:
        raise ValueError

    shop = Shop(kind)
    async with shop.running() as client:
        answer = await client.post("/v1/paged", json={"user": "u1", "q": "alien"})
    assert answer.json() == {"films": []}
    assert [item.unit for item in shop.kafka.decisions] == ['{"size":10}']
    with pytest.raises(EndpointRefused, match="which is no Found"):
        EndpointType("paged", Search, Found, unit="page", default=Page())


async def test_golden_requests_of_models_are_asked_as_they_would_travel() -> None:
    shop = Shop()
    assert await run_golden([search()], shop.catalogue) == []
    broken = Golden(Search.model_construct(user="u1", text="alien", page=Page.model_construct(size=0)), bool)
    [problem] = await run_golden([search(golden=[broken])], shop.catalogue)
    assert "is no request of search" in problem
    empty = Golden[Search, Found](Search(user="u", q="x"), lambda found: not found.films)
    [problem] = await run_golden([search(golden=[empty])], shop.catalogue)
    assert "its predicate refuses" in problem


async def test_openapi_has_the_schemas_of_models_with_aliases_limits_and_an_example_that_can_be_sent() -> None:
    async with Shop(search()).running() as client:
        found = (await client.get("/openapi.json")).json()
        post = found["paths"]["/v1/search"]["post"]
        content = post["requestBody"]["content"]["application/json"]
        answer = await client.post("/v1/search", json=content["example"])
        page = await client.get("/docs")
    schemas = found["components"]["schemas"]
    assert answer.status_code == 200
    assert schemas["Search"]["required"] == ["user", "q"]
    assert schemas["Page"]["properties"]["size"]["maximum"] == 100
    assert list(schemas["Film"]["properties"]) == ["id", "shownTitle", "score"]
    assert schemas["Found"]["properties"]["films"]["items"] == {"$ref": "#/components/schemas/Film"}
    assert all(resolved(found))
    assert "integer, 1 to 100" not in page.text  # a page is a Page there, as a struct's is
    assert "list of Film" in page.text


Member = TypeVar("Member")


class Many(BaseModel, Generic[Member]):
    """A list of anything."""

    members: list[Member]


@dataclass
class Question:
    """A request that is a dataclass of pydantic's."""

    user: str
    size: Annotated[int, Field(gt=0)] = 1


async def test_generic_models_and_dataclasses_of_pydantic_are_served_and_described() -> None:
    kind = EndpointType("many", Question, Many[Film], unit="user")

    @kind.implementation
    async def some(request: Question) -> Many[Film]:
        return Many[Film](members=[])

    async with Shop(kind).running() as client:
        assert (await client.post("/v1/many", json={"user": "u1"})).json() == {"members": []}
        assert (await client.post("/v1/many", json={"user": "u1", "size": 0})).json()["field"] == "size"
        schemas = (await client.get("/openapi.json")).json()["components"]["schemas"]
    assert "Many_Film_" in schemas


async def test_a_struct_may_be_asked_with_and_a_model_answered() -> None:
    kind = EndpointType("mixed", Recommend, Found, unit="user")

    @kind.implementation
    async def nothing(request: Recommend) -> Found:
        return Found(films=[])

    assert (await asked(kind, {"user": "u1"})).json() == {"films": []}


async def test_the_client_sends_and_reads_models() -> None:
    kind = search()
    async with Shop(kind).running() as http:
        answer = await Client("http://shop", http=http).ask(kind, Search(user="u1", q="alien", since=datetime.now(UTC)))
    assert answer.value.films[0].title == "alien"


def test_a_model_without_a_json_is_refused_when_it_is_declared() -> None:
    class Odd(BaseModel):
        model_config = ConfigDict(arbitrary_types_allowed=True)
        user: str
        thing: Shop

    with pytest.raises(EndpointRefused, match="search: Odd has no JSON"):
        EndpointType("search", Odd, Recommendations, unit="user")


def test_a_unit_that_is_no_field_of_a_model_is_refused() -> None:
    with pytest.raises(EndpointRefused, match="no field of its request; there are: user, text, page, since"):
        EndpointType("search", Search, Found, unit="q")


def test_nothing_imports_pydantic_before_a_model_is_declared() -> None:
    code = (
        "import sys, msgspec\nfrom serving import EndpointType, Service\nK = msgspec.defstruct('K', [('user', str)])\n"
        "EndpointType('a', K, K, unit='user')\nassert not [name for name in sys.modules if name.startswith('pydantic')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
