"""An OpenAPI document as a list of operations that a page can show. No I/O, no markup."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from serving.json_schema.words import Schema, in_words


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a request or an answer: its type in words, whether it must be there, and its default as JSON."""

    name: str
    type: str
    required: bool
    default: str | None


@dataclass(frozen=True, slots=True)
class Operation:
    """One address: what it takes and gives, and a body to begin with."""

    path: str
    summary: str
    description: str
    tag: str
    request: tuple[Field, ...]
    response: tuple[Field, ...]
    example: str


def grouped(document: Mapping[str, Any]) -> dict[str, list[Operation]]:
    """Every POST that a form can send by its tag, in the document's order: its address has no parameters."""
    schemas = document["components"]["schemas"]
    groups: dict[str, list[Operation]] = {}
    for path, methods in document["paths"].items():
        if "post" not in methods or "{" in path:
            continue
        found = _operation(path, methods["post"], schemas)
        groups.setdefault(found.tag, []).append(found)
    return groups


def others(document: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Method, address and summary of what no form sends."""
    return [
        (method.upper(), path, operation["summary"])
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if method != "parameters" and (method != "post" or "{" in path)
    ]


def _operation(path: str, post: Mapping[str, Any], schemas: Mapping[str, Schema]) -> Operation:
    content = post["requestBody"]["content"]["application/json"]
    answer = post["responses"].get("200", {}).get("content", {}).get("application/json", {}).get("schema", {})
    example = content.get("example") or _example(content["schema"], schemas)
    return Operation(
        path=path,
        summary=post["summary"],
        description=post["description"],
        tag=post["tags"][0],
        request=tuple(_fields(content["schema"], schemas)),
        response=tuple(_fields(answer, schemas)),
        example=json.dumps(example, indent=2, ensure_ascii=False),
    )


def _fields(schema: Schema, schemas: Mapping[str, Schema]) -> Iterator[Field]:
    found = _resolved(schema, schemas)
    required = found.get("required", [])
    for name, kind in found.get("properties", {}).items():
        default = json.dumps(kind["default"]) if "default" in kind else None
        yield Field(name, in_words(kind), name in required, default)


def _resolved(schema: Schema, schemas: Mapping[str, Schema]) -> Schema:
    reference = schema.get("$ref")
    return schema if reference is None else schemas[reference.rpartition("/")[2]]


def _example(schema: Schema, schemas: Mapping[str, Schema]) -> Any:
    """A body with every required field, of the right types and no meaning."""
    found = _resolved(schema, schemas)
    if "default" in schema:
        return schema["default"]
    branches = found.get("anyOf", [])
    if branches:
        return None if {"type": "null"} in branches else _example(branches[0], schemas)
    kind = found.get("type")
    if kind == "object":
        fields = found.get("properties", {})
        return {name: _example(fields[name], schemas) for name in found.get("required", []) if name in fields}
    if "const" in found or "enum" in found:
        return found["const"] if "const" in found else found["enum"][0]
    if found.get("format") == "date-time":
        return "2026-01-31T12:00:00Z"
    examples: Mapping[Any, Any] = {"string": "", "integer": found.get("minimum", 0), "number": 0, "boolean": False}
    return [] if kind == "array" else examples.get(kind)
