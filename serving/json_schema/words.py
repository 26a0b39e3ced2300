"""JSON Schema as people read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]

_LENGTHS = {
    "minLength": "{} characters or more",
    "maxLength": "at most {} characters",
    "minItems": "{} or more",
    "maxItems": "at most {}",
}


def in_words(schema: Schema) -> str:
    """A schema as one reads it: `list of Item`, `integer, 1 to 100`, `string or null`."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "const" in schema:
        return str(schema["const"])
    if "enum" in schema:
        return "one of " + ", ".join(map(str, schema["enum"]))
    branches = schema.get("anyOf") or schema.get("oneOf")
    if branches:
        return " or ".join(in_words(branch) for branch in branches)
    kind = schema.get("type", "anything")
    lengths = [words.format(f"{schema[key]:,}") for key, words in _LENGTHS.items() if key in schema]
    if kind == "array" and "prefixItems" not in schema:
        return ", ".join([f"list of {in_words(schema.get('items') or {})}", *lengths])
    words = schema.get("format") or (" or ".join(kind) if isinstance(kind, list) else kind)
    return ", ".join([str(words), *_numbers(schema), *lengths])


def _numbers(schema: Schema) -> list[str]:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return [f"{low:,} to {high:,}"]
    if low is not None or high is not None:
        return [f"{low:,} or more" if high is None else f"{high:,} or less"]
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    limits = [("above", above), ("below", below)]
    return [f"{word} {limit:,}" for word, limit in limits if limit is not None]


def place_of(place: str, name: str) -> str:
    """A field's place inside another one: `page.size`."""
    return f"{place}.{name}" if place else name
