"""A pydantic model, or pydantic dataclass, as a request or response type. The only file that imports pydantic."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError
from pydantic_core import to_json

from serving.errors import EndpointRefused
from serving.json_schema.words import Schema
from serving.problem import Problem, wrong_field

NAMED = 5
"""Wrong fields that a problem names at most."""


class PydanticType:
    """See `JsonType`. Bodies have the model's aliases, as its schema does; an answer whose fields are not what the
    model says is a failure of the implementation, and is not sent."""

    def __init__(self, owner: str, kind: type[Any], mode: Literal["read", "written"]) -> None:
        try:
            adapter: TypeAdapter[Any] = TypeAdapter(kind)
            schema = adapter.json_schema(mode="validation" if mode == "read" else "serialization")
        except (PydanticUserError, NameError, TypeError) as error:
            reason = str(error).partition("\n")[0]
            raise EndpointRefused(f"{owner}: {kind.__name__} has no JSON: {reason}") from error
        fields: Mapping[str, Any] = getattr(kind, "__pydantic_fields__", {})
        self.fields = tuple(fields)
        self.schema = _referred(kind.__name__, schema)
        self.decode: Callable[[bytes], Any] = adapter.validate_json
        self.encode: Callable[[Any], bytes] = partial(adapter.dump_json, by_alias=True, warnings="error")
        self.text: Callable[[Any], bytes] = to_json

    def problem(self, error: Exception) -> Problem:
        """As `JsonType` says; all wrong fields are named, up to five."""
        if not isinstance(error, ValidationError):
            raise error
        found = error.errors(include_url=False, include_input=False, include_context=False)
        if found[0]["type"] == "json_invalid":
            return Problem(400, "not-json", f"The body is not JSON: {found[0]['msg'].removeprefix('Invalid JSON: ')}.")
        places = [_place(item["loc"]) for item in found[:NAMED]]
        others = [f"{place}: {item['msg']}" for place, item in zip(places[1:], found[1:NAMED], strict=False)]
        return wrong_field(places[0], "; ".join([found[0]["msg"], *others]))


def _place(parts: tuple[int | str, ...]) -> str:
    """`items[3].id`, as msgspec says it."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts).removeprefix(".")


def _referred(name: str, schema: dict[str, Any]) -> Schema:
    """The schema as msgspec writes it: all of it in `$defs`, and a reference to the model's own."""
    if "$ref" in schema:
        return schema
    inner = schema.pop("$defs", {})
    while name in inner:  # a model inside it has its name
        name += "_"
    return {"$ref": f"#/$defs/{name}", "$defs": {**inner, name: schema}}
