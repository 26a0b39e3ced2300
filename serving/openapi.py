"""An OpenAPI 3.1 document of exactly what is loaded now."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping

import msgspec

from schemas import EventType
from serving.access.rules import opens
from serving.endpoint import Endpoint
from serving.experiments import openapi as experiments_openapi
from serving.json_schema.avro_json import json_schema
from serving.json_schema.components import Components
from serving.json_schema.words import Schema
from serving.openapi_operation import Document
from serving.storages import openapi as storages_openapi

_HEADERS = {
    "millrace-decision": "The decision's id; an event that carries it can be its reward.",
    "millrace-implementation": "Name and content hash of the code that answered.",
    "millrace-variant": "The experiment's variant, where one runs.",
    "millrace-as-of": "Oldest event time behind the answer.",
    "age": "Seconds since it was given, where it is the last good answer.",
    "millrace-fallback": "What answered in the implementation's place, if something did.",
}


def openapi(
    endpoints: Mapping[str, Endpoint],
    event_types: Mapping[str, EventType],
    further: Callable[[Document], Document] = lambda refused: {},
) -> Document:
    """The document, as JSON values.

    Args:
        further: paths that this room does not know; given the answer where a request is refused.
    """
    components, paths = Components(), Document()
    for title, endpoint in endpoints.items():
        kind, owner = endpoint.type, title.replace("@", ".")
        request = components.add(kind.requests.schema, f"{owner}.request")
        response = components.add(kind.responses.schema, f"{owner}.answer")
        for implementation in (None, *endpoint.lives):
            place = f"/v1/{title}" if implementation is None else f"/v1/{title}/{implementation}"
            paths[place] = {"post": _question(endpoint, request, response, implementation)}
    schemas = components.schemas
    for topic, event_type in event_types.items():
        schemas[f"event.{topic}"] = json_schema(event_type.schema)
        paths[f"/events/{topic}"] = {"post": _event(topic)}
    paths |= storages_openapi.paths(_REFUSED) | experiments_openapi.paths(_REFUSED) | further(_REFUSED)
    schemas |= experiments_openapi.schemas()
    schemas["Problem"] = _PROBLEM
    headers = {name: {"description": words, "schema": {"type": "string"}} for name, words in _HEADERS.items()}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Millrace models service", "version": "1"},
        "paths": paths,
        "components": {"schemas": schemas, "headers": headers},
    }


def secured(document: Document) -> Document:
    """The document of a service that asks for keys: it says of each address which scopes open it."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if method != "parameters":
                scopes = opens(method.upper(), path) or ()
                operation["security"] = [{"key": [scope]} for scope in sorted(scopes)]
    words = "A key as `millrace keys create` makes it, with one of the scopes that an address names."
    document["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer", "description": words}}
    return document


def _question(endpoint: Endpoint, request: Schema, response: Schema, implementation: str | None) -> Document:
    kind = endpoint.type
    summary = f"Ask {kind.title}" if implementation is None else f"Ask {kind.title} of {implementation}"
    told = kind.request if implementation is None else endpoint.lives[implementation].implementation.function
    body: Document = {"schema": request}
    if kind.golden:
        body["example"] = msgspec.json.decode(kind.requests.encode(kind.golden[0].request))
    answer = {
        "description": "The answer.",
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in _HEADERS},
        "content": {"application/json": {"schema": response}},
    }
    return {
        "operationId": ".".join(["ask", *kind.title.split("@"), *([implementation] if implementation else [])]),
        "tags": [kind.title],
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
        "description": "One event, or as application/x-ndjson one per line. All are taken, or none. A body that is "
        "sent again under the same idempotency-key counts once.",
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": one}, "application/x-ndjson": {"schema": {"type": "string"}}},
        },
        "responses": {"202": _TAKEN, "default": _REFUSED},
    }


_TAKEN: Document = {
    "description": "Kafka has all of them; or, as `spooled` says, the disk of the service while Kafka is away.",
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["positions"],
                "properties": {
                    "positions": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "properties": {
                                "topic": {"type": "string"},
                                "partition": {"type": "integer"},
                                "offset": {"type": "integer"},
                            },
                        },
                    },
                    "spooled": {"type": "integer"},
                },
            }
        }
    },
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
