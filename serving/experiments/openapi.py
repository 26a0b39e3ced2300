"""The addresses under /v1/experiments in OpenAPI's terms."""

from __future__ import annotations

from typing import Any

import msgspec

from serving.experiments.definition import Definition
from serving.experiments.routes import New, Ramped, Said, Shipped, Started
from serving.openapi_operation import OBJECT, Document, operation, parameter

ONE = "/v1/experiments/{name}"
_PREFIX = "experiments."
_TYPES = (Definition, New, Said, Started, Ramped, Shipped)
_ACTIONS = {
    "start": ("Start an experiment", "A draft begins, or a stopped one goes on.", Started),
    "ramp": ("Ramp an experiment", "More or less of the traffic; nobody in it changes the variant.", Ramped),
    "ship": ("Ship a variant", "It answers for everybody who is in no experiment.", Shipped),
    "stop": ("Stop an experiment", "Everybody gets what they would without it.", Said),
    "rollback": ("Roll an experiment back", "What answered before a variant was shipped does again.", Said),
}


def schemas() -> Document:
    """The components that `paths` refers to."""
    _, found = msgspec.json.schema_components(_TYPES, ref_template=f"#/components/schemas/{_PREFIX}{{name}}")
    return {f"{_PREFIX}{name}": schema for name, schema in found.items()}


def paths(refused: Document) -> Document:
    """The paths, as JSON values.

    Args:
        refused: the answer where a request is refused.
    """

    def told(summary: str, description: str, kind: type[Any] | None = None, listed: bool = False) -> Document:
        schema = OBJECT if listed else _reference(Definition)
        more: Document = {"description": description}
        if kind is not None:
            more["requestBody"] = {"content": {"application/json": {"schema": _reference(kind)}}}
        return operation("experiments", refused, summary, "How it stands.", schema=schema, **more)

    named = {"parameters": [parameter("name", "path", {"type": "string"}, "The experiment's.")]}
    create = "One that was not there, or was a draft. 409: its name is in use; 422: `field` says what cannot be so."
    return {
        "/v1/experiments": {"get": told("List experiments", "A row per variant too.", None, True)},
        ONE: {
            **named,
            "get": told("Show an experiment", "With its history."),
            "put": told("Create an experiment", create, New),
        },
        **{f"{ONE}/{action}": {**named, "post": told(*words)} for action, words in _ACTIONS.items()},
    }


def _reference(kind: type[Any]) -> Document:
    return {"$ref": f"#/components/schemas/{_PREFIX}{kind.__name__}"}
