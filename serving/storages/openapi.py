"""The addresses under /storages in OpenAPI's terms."""

from __future__ import annotations

from functools import partial

from serving.openapi_operation import Document, operation, parameter
from storage.formats.blank import OPTIONS
from storage.kinds import KINDS

ONE = "/storages/{technology}/{format}/{name}"


def paths(refused: Document) -> Document:
    """The paths, as JSON values.

    Args:
        refused: the answer where a request is refused.
    """
    told = partial(operation, "storages", refused)
    return {
        "/storages": {"get": told("List storages", "Every version, with what is measured of it.")},
        ONE: {
            "parameters": _PLACE,
            "get": told("Show a storage", "What it says of itself, its versions and its positions."),
            "put": told(
                "Create a storage",
                "Its descriptor. 409: there is one of this name; 422: `field` says what cannot be so.",
                "201",
                requestBody=_body({"options": _options(), "schema": {"description": "Avro schema, of records."}}),
            ),
            "delete": told("Delete a storage", "How many versions are gone.", parameters=[_FORCE]),
        },
        f"{ONE}/rows/{{key}}": {
            "parameters": [*_PLACE, parameter("key", "path", {"type": "string"})],
            "get": told("Read a row", "Its value, decoded by its format.", parameters=[_SIZE]),
        },
        f"{ONE}/rollback": {
            "parameters": _PLACE,
            "post": told("Roll a storage back", "What its name stands for now."),
        },
        f"{ONE}/switch": {
            "parameters": _PLACE,
            "post": told(
                "Switch a storage",
                "What its name stands for now.",
                requestBody=_body({"version": {"type": "integer", "minimum": 1, "maximum": 2**53}}, ["version"]),
            ),
        },
    }


_NAME = "^[a-z][a-z0-9_]{0,99}(@[1-9][0-9]{0,8})?$"
_PLACE = [
    parameter("technology", "path", {"type": "string", "enum": [name for name in KINDS if name != "memory"]}),
    parameter("format", "path", {"type": "string", "enum": list(OPTIONS)}),
    parameter("name", "path", {"type": "string", "pattern": _NAME}, "`popular`, or `popular@3` for one version of it."),
]
_FORCE = parameter("force", "query", {"type": "boolean", "default": False}, "Also what is read or written now.")
_SIZE = parameter(
    "size", "query", {"type": "integer", "default": 20}, "So many members of a ranking, or fields of counters, at most."
)


def _body(properties: Document, required: list[str] | None = None) -> Document:
    schema = {
        "type": "object",
        "properties": properties,
        "required": required or [],
        "additionalProperties": False,
    }
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
