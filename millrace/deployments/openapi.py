"""The addresses under /v1/deployments in OpenAPI's terms."""

from __future__ import annotations

from functools import partial

from millrace.deployments.archive import KINDS
from serving.openapi_operation import Document, operation, parameter

ONE = "/v1/deployments/{name}"


def paths(refused: Document) -> Document:
    """The paths, as JSON values.

    Args:
        refused: the answer where a request is refused.
    """
    told = partial(operation, "deployments", refused)
    return {
        "/v1/deployments": {"get": told("List deployed products", "Each, and what is under way.")},
        ONE: {
            "parameters": [parameter("name", "path", _TEXT, "The product's.")],
            "get": told("Show a deployed product", "With its history."),
            "put": told(
                "Deploy a product",
                "How this service stands to it. 422: it cannot be taken; 409: it does not fit what is there.",
                parameters=[*_SAID, _AGAIN],
                requestBody={"content": {"application/gzip": {"schema": {"description": _BODY}}}},
            ),
            "delete": told("Undeploy a product", "How this service stands to it.", parameters=_SAID),
        },
    }


_TEXT: Document = {"type": "string"}
_SAID = [parameter("by", "query", _TEXT, "Who does it."), parameter("note", "query", _TEXT, "Why, for the history.")]
_AGAIN = parameter("again", "query", _TEXT, "In place of a body: a version's hash begins so.")
_BODY = f"Gzipped JSON, an object of texts by paths; these end in {', '.join(sorted(KINDS))}."
