"""What is registered is an AsyncAPI document: it passes the schema that AsyncAPI publishes, and all its references lead
somewhere."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from schemas import Decision
from schemas.asyncapi import FORMAT, asyncapi
from schemas.avro import parsed
from schemas.graph import Graph
from schemas.readers import Reader, Reading

PUBLISHED = Path(__file__).parents[1] / "vectors" / "asyncapi-3.0.0.json.gz"
"""AsyncAPI's own JSON schema of version 3.0.0, with Kafka's bindings."""
ODD = {"type": "record", "name": "Odd", "namespace": "a.b", "doc": "Odd ones.", "fields": []}


@pytest.fixture(scope="module")
def valid() -> jsonschema_rs.Draft7Validator:
    return jsonschema_rs.Draft7Validator(json.loads(gzip.decompress(PUBLISHED.read_bytes())))


@pytest.fixture
def document() -> dict[str, Any]:
    decisions = dict(Decision.event_type.schema)
    graph = Graph(
        (
            Reader("likes", 2, "decisions", ("redis/ranking/likes",), ("shop.odd:ones",), "movies", decisions),
            Reader("gone", 1, "unregistered", product="movies", schema=decisions),
        ),
        (Reading("recommend", "personal", ("redis/ranking/likes",)),),
    )
    schemas = {"decisions": decisions, "shop.odd:ones": ODD}
    return asyncapi(schemas, graph, ["127.0.0.1:9092", "other:9092"], "http://127.0.0.1:18081")


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (item for name, item in value.items() if name == "$ref")
        value = list(value.values())
    for item in value if isinstance(value, list) else ():
        yield from references(item)


def found(document: Any, reference: str) -> Any:
    for part in reference.removeprefix("#/").split("/"):
        document = document[part]
    return document


def test_it_passes_the_published_schema_and_every_reference_leads_somewhere(
    document: dict[str, Any], valid: jsonschema_rs.Draft7Validator
) -> None:
    valid.validate(document)
    valid.validate(asyncapi({}, Graph()))
    assert all(found(document, reference) for reference in references(document))
    broken = json.loads(json.dumps(document))
    broken["operations"]["send_decisions"]["action"] = "publish"
    assert not valid.is_valid(broken)


def test_topics_are_channels_their_newest_schemas_messages_and_who_reads_and_writes_are_operations(
    document: dict[str, Any],
) -> None:
    assert {item["address"] for item in document["channels"].values()} == {"decisions", "shop.odd:ones"}
    message = document["components"]["messages"]["decisions"]
    assert message["payload"]["schemaFormat"] == FORMAT == "application/vnd.apache.avro;version=1.9.0"
    assert parsed(message["payload"]["schema"])
    assert message["bindings"]["kafka"]["key"]["description"] == "The field unit."
    actions = {
        name: (item["action"], found(document, item["channel"]["$ref"])["address"])
        for name, item in document["operations"].items()
    }
    assert actions == {
        "send_decisions": ("send", "decisions"),
        "send_shop-2e-odd-3a-ones": ("send", "shop.odd:ones"),
        "receive_movies_likes_2": ("receive", "decisions"),
        "emit_movies_likes_2_shop-2e-odd-3a-ones": ("send", "shop.odd:ones"),
    }
    assert "endpoints: recommend (personal)" in document["operations"]["receive_movies_likes_2"]["description"]
