"""The form that asks an endpoint type: a field for each of the request's, made from its JSON Schema. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from serving.problem import wrong_field

Schema = Mapping[str, Any]
Kind = Literal["text", "number", "choice", "json"]
PREFIX = "field."
"""Before the name of each field, so that it meets no other name of the form."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a request.

    Attributes:
        kind: how it is asked for: a line of text, a number, one of `choices`, or JSON.
        value: what stands in it at first.
        required: a request without it is refused.
        hint: what its schema says of it.
    """

    name: str
    kind: Kind
    value: str
    required: bool
    choices: tuple[str, ...] = ()
    hint: str = ""

    @property
    def place(self) -> str:
        """Its name in the form."""
        return PREFIX + self.name


def fields(schema: Schema, example: Mapping[str, Any]) -> list[Field]:
    """The fields of a request in the order of its schema.

    Args:
        schema: a reference to one of its own `$defs`, an object.
        example: a request that shows what to write; what it lacks begins with the schema's default.
    """
    kind = _resolved(schema, schema)
    required = kind.get("required", ())
    return [
        _field(name, _resolved(part, schema), example.get(name, part.get("default")), name in required)
        for name, part in kind.get("properties", {}).items()
    ]


def body(known: list[Field], form: Mapping[str, str]) -> bytes:
    """The request's JSON out of what was written. What is empty and may be left out is; what is no number is sent as it
    was written, so that the service says what is wrong with it.

    Raises:
        Problem: 400, a field should be JSON and is not.
    """
    values = {field.name: _value(field, form.get(field.place, "")) for field in known}
    return msgspec.json.encode({name: value for name, value in values.items() if value is not msgspec.UNSET})


def _field(name: str, part: Schema, value: Any, required: bool) -> Field:
    hint = str(part.get("description", ""))
    if choices := _choices(part):
        return Field(name, "choice", "" if value is None else _json(value), required, choices, hint)
    kind = _kind(part)
    text = "" if value is None else value if kind == "text" and isinstance(value, str) else _json(value)
    return Field(name, kind, text, required, (), hint)


def _kind(part: Schema) -> Kind:
    wanted = part.get("type")
    if wanted == "string":
        return "text"
    return "number" if wanted in ("integer", "number") else "json"


def _choices(part: Schema) -> tuple[str, ...]:
    """The values that may be chosen, each as JSON."""
    if part.get("type") == "boolean":
        return ("true", "false")
    return tuple(_json(choice) for choice in (part.get("enum") or ([part["const"]] if "const" in part else ())))


def _resolved(part: Schema, whole: Schema) -> Schema:
    """The schema that a reference leads to; of a value that may be null the schema of the value."""
    while "$ref" in part or "anyOf" in part:
        if "$ref" in part:
            part = {**whole["$defs"][part["$ref"].rpartition("/")[2]], **{k: v for k, v in part.items() if k != "$ref"}}
            continue
        some = [one for one in part["anyOf"] if one.get("type") != "null"]
        if len(some) != 1:
            return {}
        part = {**some[0], **{k: v for k, v in part.items() if k != "anyOf"}}
    return part


def _value(field: Field, text: str) -> Any:
    if not text.strip() and not (field.required and field.kind == "text"):
        return msgspec.UNSET
    if field.kind == "text":
        return text
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        if field.kind == "number":
            return text
        raise wrong_field(field.name, f"it is not JSON: {error}") from None


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
