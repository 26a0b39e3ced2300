"""The addresses under /storages in OpenAPI's terms."""

from __future__ import annotations

from typing import Any

from storage.blank import OPTIONS
from storage.technologies import KINDS

Document = dict[str, Any]
ONE = "/storages/{technology}/{format}/{name}"


def paths(refused: Document) -> Document:
    """The paths, as JSON values.

    Args:
        refused: the answer where a request is refused.
    """

    def operation(summary: str, answer: str, status: str = "200", **more: Any) -> Document:
        told = {"description": answer, "content": {"application/json": {"schema": {"type": "object"}}}}
        name = summary.lower().replace(" ", "_")
        responses = {status: told, "default": refused}
        return {"operationId": name, "tags": ["storages"], "summary": summary, "responses": responses, **more}

    return {
        "/storages": {"get": operation("List storages", "Every version, with what is measured of it.")},
        ONE: {
            "parameters": _PLACE,
            "get": operation("Show a storage", "What it says of itself, its versions and its positions."),
            "put": operation(
                "Create a storage",
                "Its descriptor. 409: there is one of this name; 422: `field` says what cannot be so.",
                "201",
                requestBody=_body({"options": _options(), "schema": {"description": "Avro schema, of records."}}),
            ),
            "delete": operation("Delete a storage", "How many versions are gone.", parameters=[_FORCE]),
        },
        f"{ONE}/rows/{{key}}": {
            "parameters": [*_PLACE, _parameter("key", "path", {"type": "string"})],
            "get": operation("Read a row", "Its value, decoded by its format.", parameters=[_SIZE]),
        },
        f"{ONE}/rollback": {
            "parameters": _PLACE,
            "post": operation("Roll a storage back", "What its name stands for now."),
        },
        f"{ONE}/switch": {
            "parameters": _PLACE,
            "post": operation(
                "Switch a storage",
                "What its name stands for now.",
                requestBody=_body({"version": {"type": "integer", "minimum": 1}}, ["version"]),
            ),
        },
    }


def _parameter(name: str, place: str, schema: Document, words: str = "") -> Document:
    return {"name": name, "in": place, "required": place == "path", "schema": schema, "description": words}


_PLACE = [
    _parameter("technology", "path", {"type": "string", "enum": [name for name in KINDS if name != "memory"]}),
    _parameter("format", "path", {"type": "string", "enum": list(OPTIONS)}),
    _parameter("name", "path", {"type": "string"}, "`popular`, or `popular@3` for one version of it."),
]
_FORCE = _parameter("force", "query", {"type": "boolean", "default": False}, "Also what is read or written now.")
_SIZE = _parameter("size", "query", {"type": "integer", "default": 20}, "Of a ranking so many members.")


def _body(properties: Document, required: list[str] | None = None) -> Document:
    schema = {"type": "object", "properties": properties, "required": required or []}
    return {"required": bool(required), "content": {"application/json": {"schema": schema}}}


def _options() -> Document:
    """Every format's options, as one object."""
    found: Document = {}
    for format, options in OPTIONS.items():
        for option in options:
            if option.name != "schema":
                words = f"{format}: {option.label}, {option.hint}."
                found[option.name] = {"description": words, **({"enum": option.choices} if option.choices else {})}
    return {"type": "object", "properties": found}
