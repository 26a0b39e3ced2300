"""An operation of an address that takes and gives JSON, in OpenAPI's terms."""

from __future__ import annotations

from typing import Any

Document = dict[str, Any]
OBJECT: Document = {"type": "object"}
"""The schema of an answer of which no more is said."""


def operation(
    tag: str, refused: Document, summary: str, answer: str, status: str = "200", schema: Document = OBJECT, **more: Any
) -> Document:
    """It is named by its summary.

    Args:
        refused: the answer where a request is refused.
        answer: what is answered else, in words.
        more: further members.
    """
    told = {"description": answer, "content": {"application/json": {"schema": schema}}}
    name = summary.lower().replace(" ", "_")
    responses = {status: told, "default": refused}
    return {"operationId": name, "tags": [tag], "summary": summary, "responses": responses, **more}


def parameter(name: str, place: str, schema: Document, words: str = "") -> Document:
    """One in the path, which must be there, or in the query, which need not."""
    return {"name": name, "in": place, "required": place == "path", "schema": schema, "description": words}
