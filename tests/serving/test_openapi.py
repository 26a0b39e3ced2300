"""The OpenAPI document of exactly what is loaded, and the page that shows it without anything from elsewhere."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest

from serving import EndpointType
from serving.docs.operations import grouped
from serving.json_schema.avro_json import json_schema
from serving.json_schema.words import in_words
from tests.serving.shop import Click, Recommend, Recommendations, Shop, popular


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture
async def client(shop: Shop) -> AsyncIterator[httpx.AsyncClient]:
    async with shop.running() as client:
        yield client


async def document(client: httpx.AsyncClient) -> Any:
    answer = await client.get("/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    return answer.json()


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from [item] if key == "$ref" else references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def resolved(found: Any) -> list[Any]:
    """What each reference of a document leads to."""
    places = []
    for reference in references(found):
        place: Any = found
        for part in reference.removeprefix("#/").split("/"):
            place = place[part]
        places.append(place)
    assert places
    return places


def operations(found: Any) -> list[Any]:
    """What a document says of each method of each address."""
    return [one for path in found["paths"].values() for method, one in path.items() if method != "parameters"]


async def test_it_is_a_document_of_version_3_1_with_what_is_loaded_and_nothing_else(client: httpx.AsyncClient) -> None:
    found = await document(client)
    assert found["openapi"] == "3.1.0"
    assert set(found["info"]) >= {"title", "version"}
    assert [path for path in found["paths"] if not path.startswith(("/storages", "/v1/experiments"))] == [
        "/v1/recommend",
        "/v1/recommend/popular_now",
        "/v1/recommend/newest",
        "/events/clicks",
    ]


async def test_every_reference_leads_to_a_component_and_every_operation_has_its_own_id(
    client: httpx.AsyncClient,
) -> None:
    found = await document(client)
    assert all(isinstance(place, dict) for place in resolved(found))
    every = operations(found)
    assert len({one["operationId"] for one in every}) == len(every)
    for one in every:
        assert {"summary", "tags", "responses"} <= set(one)
        assert "default" in one["responses"]


async def test_requests_and_answers_have_their_schemas_limits_and_an_example(client: httpx.AsyncClient) -> None:
    found = await document(client)
    post = found["paths"]["/v1/recommend"]["post"]
    body = post["requestBody"]["content"]["application/json"]
    schemas = found["components"]["schemas"]

    assert body["schema"] == {"$ref": "#/components/schemas/Recommend"}
    assert body["example"]["user"] == "u1"
    assert schemas["Recommend"]["required"] == ["user"]
    assert schemas["Page"]["properties"]["size"] == {"type": "integer", "minimum": 1, "maximum": 100, "default": 10}
    assert "millrace-decision" in post["responses"]["200"]["headers"]
    assert found["paths"]["/v1/recommend/popular_now"]["post"]["description"] == "What is popular."


async def test_it_changes_with_what_is_loaded(shop: Shop) -> None:
    service = shop.service()
    async with shop.running(service) as client:
        other = EndpointType("other", Recommend, Recommendations, unit="user")
        other.implementation(popular().implementations["newest"].function)
        service.endpoints.take([other])
        paths = (await document(client))["paths"]
        assert [path for path in paths if path.startswith("/v1") and "experiments" not in path] == [
            "/v1/other",
            "/v1/other/newest",
        ]


def test_an_event_type_becomes_the_schema_of_what_the_intake_takes() -> None:
    found = json_schema(Click.event_type.schema)
    assert found["required"] == ["user", "item", "at"]
    assert found["properties"]["at"] == {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "integer"}]}
    assert found["properties"]["decision"] == {"anyOf": [{"type": "null"}, {"type": "string"}]}
    assert found["additionalProperties"] is False


@pytest.mark.parametrize(
    ("avro", "expected"),
    [
        ("int", {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1}),
        ({"type": "array", "items": "string"}, {"type": "array", "items": {"type": "string"}}),
        ({"type": "map", "values": "double"}, {"type": "object", "additionalProperties": {"type": "number"}}),
        ({"type": "enum", "name": "E", "symbols": ["a", "b"]}, {"type": "string", "enum": ["a", "b"]}),
        ({"type": "fixed", "name": "F", "size": 4}, {"type": "string", "minLength": 4, "maxLength": 4}),
        ({"type": "string", "logicalType": "uuid"}, {"type": "string", "format": "uuid"}),
        ({"type": {"type": "string"}}, {"type": "string"}),
    ],
)
def test_avro_types_as_json_schema(avro: Any, expected: Any) -> None:
    assert json_schema(avro) == expected


@pytest.mark.parametrize("logical", ["timestamp-millis", "timestamp-micros", "date"])
def test_a_time_may_also_be_the_number_that_the_intake_takes(logical: str) -> None:
    text, number = json_schema({"type": "long", "logicalType": logical})["anyOf"]
    assert text["type"] == "string"
    assert number == {"type": "integer"}


def test_a_named_type_is_found_by_its_full_name_and_inside_its_namespace_by_its_short_one() -> None:
    def field(name: str, kind: Any) -> Any:
        return {"name": name, "type": kind}

    kinds = [
        field("first", {"type": "enum", "name": "Kind", "namespace": "other", "symbols": ["a"]}),
        field("second", {"type": "enum", "name": "Kind", "symbols": ["b"]}),
        *(field(name, name) for name in ("other.Kind", "shop.Kind", "Kind")),
    ]
    found = json_schema({"type": "record", "name": "Sale", "namespace": "shop", "fields": kinds})["properties"]
    assert [kind["enum"] for kind in found.values()] == [["a"], ["b"], ["a"], ["b"], ["b"]]


def test_a_type_that_holds_itself_is_left_open() -> None:
    tree = {"type": "record", "name": "T", "fields": [{"name": "inner", "type": ["null", "T"]}]}
    assert json_schema(tree)["properties"]["inner"] == {"anyOf": [{"type": "null"}, {"type": "object"}]}


class Checker(HTMLParser):
    """Collects addresses, and what the content policy would block."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.faults: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.addresses += [value for name, value in attrs if name in ("href", "src") and value]
        self.faults += [name for name in values if name == "style" or name.startswith("on")]
        if tag == "style" or (tag == "script" and "src" not in values):
            self.faults.append(tag)


async def test_the_page_shows_every_address_and_needs_nothing_from_elsewhere(client: httpx.AsyncClient) -> None:
    answer = await client.get("/docs")
    checker = Checker()
    checker.feed(answer.text)

    assert answer.status_code == 200
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert checker.faults == []
    paths = (await document(client))["paths"]
    assert paths
    for path in paths:
        assert f" {path}<" in answer.text
    assert len(checker.addresses) > 1
    for address in checker.addresses:
        assert address.startswith("/") or address == "data:,"
        if address.startswith("/"):
            assert (await client.get(address, follow_redirects=True)).status_code == 200, address


async def test_what_a_product_says_of_itself_is_text_on_the_page_and_never_markup() -> None:
    kind = popular()
    kind.implementations["newest"].function.__doc__ = "<script>alert(1)</script>"
    async with Shop(kind).running() as client:
        text = (await client.get("/docs")).text
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert" in text


async def test_the_page_begins_with_a_body_that_can_be_sent(client: httpx.AsyncClient) -> None:
    groups = grouped(await document(client))
    assert set(groups) == {"recommend", "events"}
    for operations in groups.values():
        assert operations
        for operation in operations:
            answer = await client.post(operation.path, content=operation.example.encode())
            assert answer.status_code in (200, 202, 503), (operation.path, operation.example, answer.text)


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"$ref": "#/components/schemas/Item"}, "Item"),
        ({"type": "array", "items": {"$ref": "#/components/schemas/Item"}}, "list of Item"),
        ({"type": "integer", "minimum": 1, "maximum": 100}, "integer, 1 to 100"),
        ({"type": "integer", "minimum": 1}, "integer, 1 or more"),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "integer or null"),
        ({"enum": ["a", "b"]}, "one of a, b"),
        ({"type": "string", "format": "date-time"}, "date-time"),
        ({}, "anything"),
    ],
)
def test_a_type_in_words(schema: Any, words: str) -> None:
    assert in_words(schema) == words


async def test_the_page_has_no_empty_headings(client: httpx.AsyncClient) -> None:
    text = (await client.get("/docs")).text
    assert not re.search(r"<h2>\s*</h2>", text)
