"""An OpenAPI 3.1 document of exactly what is loaded now."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import msgspec

from schemas import EventType
from serving import storages_openapi
from serving.avro_json import json_schema
from serving.endpoint import Endpoint

Document = dict[str, Any]

_HEADERS = {
    "millrace-decision": "The decision's id; an event that carries it can be its reward.",
    "millrace-implementation": "Name and content hash of the code that answered.",
    "millrace-variant": "The experiment's variant, where one runs.",
    "millrace-as-of": "Oldest event time behind the answer.",
    "millrace-fallback": "What answered in the implementation's place, if something did.",
}


def openapi(endpoints: Mapping[str, Endpoint], event_types: Mapping[str, EventType]) -> Document:
    """The document, as JSON values."""
    types = [item for endpoint in endpoints.values() for item in (endpoint.type.request, endpoint.type.response)]
    refs, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    paths: Document = {}
    for number, endpoint in enumerate(endpoints.values()):
        request, response = refs[2 * number], refs[2 * number + 1]
        name = endpoint.type.name
        paths[f"/v1/{name}"] = {"post": _question(endpoint, request, response, None)}
        for implementation in endpoint.lives:
            paths[f"/v1/{name}/{implementation}"] = {"post": _question(endpoint, request, response, implementation)}
    for topic, event_type in event_types.items():
        components[f"event.{topic}"] = json_schema(event_type.schema)
        paths[f"/events/{topic}"] = {"post": _event(topic)}
    paths |= storages_openapi.paths(_REFUSED)
    components["Problem"] = _PROBLEM
    headers = {name: {"description": words, "schema": {"type": "string"}} for name, words in _HEADERS.items()}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Millrace models service", "version": "1"},
        "paths": paths,
        "components": {"schemas": components, "headers": headers},
    }


def _question(endpoint: Endpoint, request: Document, response: Document, implementation: str | None) -> Document:
    kind = endpoint.type
    summary = f"Ask {kind.name}" if implementation is None else f"Ask {kind.name} of {implementation}"
    told = kind.request if implementation is None else endpoint.lives[implementation].implementation.function
    body: Document = {"schema": request}
    if kind.golden:
        body["example"] = msgspec.to_builtins(kind.golden[0].request)
    answer = {
        "description": "The answer.",
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in _HEADERS},
        "content": {"application/json": {"schema": response}},
    }
    return {
        "operationId": "_".join(["ask", kind.name] + ([implementation] if implementation else [])),
        "tags": [kind.name],
        "summary": summary,
        "description": inspect.getdoc(told) or "",
        "requestBody": {"required": True, "content": {"application/json": body}},
        "responses": {"200": answer, "default": _REFUSED},
    }


def _event(topic: str) -> Document:
    one = {"$ref": f"#/components/schemas/event.{topic}"}
    return {
        "operationId": f"emit_{topic}",
        "tags": ["events"],
        "summary": f"Emit events to {topic}",
        "description": "One event, or as application/x-ndjson one per line. All are taken, or none.",
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": one}, "application/x-ndjson": {"schema": {"type": "string"}}},
        },
        "responses": {"202": {"description": "Kafka has all of them."}, "default": _REFUSED},
    }


_REFUSED: Document = {
    "description": "A problem document (RFC 9457).",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
_PROBLEM: Document = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "field": {"type": ["string", "null"]},
        "known": {"type": "array", "items": {"type": "string"}},
    },
}
