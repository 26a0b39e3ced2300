"""A request or response type as JSON: which fields it has, how its bytes are read and written, and its JSON Schema.

It may be a msgspec struct, a dataclass or a pydantic model. Made once, when an endpoint type is declared.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Literal, Protocol

import msgspec

from serving.errors import EndpointRefused
from serving.json_schema.words import Schema
from serving.problem import Problem, wrong_field

_PLACE = re.compile(r" - at `\$\.?(.*)`$")
_MISSING = re.compile(r"missing required field `(.+?)`")


class JsonType(Protocol):
    """Attributes:
    fields: their names, as Python has them.
    schema: a reference to one of the schema's own `$defs`.
    decode: the value in a body; what it raises, `problem` tells the client.
    encode: a value's body; raises TypeError or ValueError where it has no JSON.
    text: the JSON of a part of a value.
    """

    fields: tuple[str, ...]
    schema: Schema
    decode: Callable[[bytes], Any]
    encode: Callable[[Any], bytes]
    text: Callable[[Any], bytes]

    def problem(self, error: Exception) -> Problem:
        """What the client is told of an error of `decode`, with the field that is wrong.

        Raises:
            Exception: the error itself, where it is not about the body.
        """
        ...


def json_type(owner: str, kind: type[Any], mode: Literal["read", "written"]) -> JsonType:
    """What a class is as JSON.

    Args:
        owner: the endpoint type's title, for messages.
        mode: whether its JSON is read, as a request's, or written: a pydantic model may differ in that.

    Raises:
        EndpointRefused: it is no such class, or a field of it has no JSON.
    """
    if hasattr(kind, "__pydantic_validator__"):
        from serving.json_schema.pydantic_type import PydanticType  # pydantic is there: the class is made with it

        return PydanticType(owner, kind, mode)
    return StructType(owner, kind)


class StructType:
    """A msgspec struct or a dataclass: see `JsonType`."""

    def __init__(self, owner: str, kind: type[Any]) -> None:
        try:
            found = msgspec.inspect.type_info(kind)
            self.schema: Schema = msgspec.json.schema(kind)
        except (TypeError, NameError) as error:
            raise EndpointRefused(f"{owner}: {getattr(kind, '__name__', kind)} has no JSON: {error}.") from error
        if not isinstance(found, msgspec.inspect.StructType | msgspec.inspect.DataclassType):
            raise EndpointRefused(f"{owner}: {kind} is no msgspec struct and no dataclass, and no pydantic model.")
        self.fields = tuple(field.name for field in found.fields)
        self.decode: Callable[[bytes], Any] = msgspec.json.Decoder(kind).decode
        self.encode: Callable[[Any], bytes] = msgspec.json.Encoder().encode
        self.text = self.encode

    def problem(self, error: Exception) -> Problem:
        """As `JsonType` says."""
        if isinstance(error, msgspec.ValidationError):
            return _wrong_field(str(error))
        if isinstance(error, msgspec.DecodeError | UnicodeDecodeError | RecursionError):
            return Problem(400, "not-json", f"The body is not JSON: {error}.")
        raise error


def _wrong_field(message: str) -> Problem:
    """The decoder's message with the field that it names, such as `items[3]`."""
    place, missing = _PLACE.search(message), _MISSING.search(message)
    parts = [place.group(1) if place else "", missing.group(1) if missing else ""]
    return wrong_field(".".join(part for part in parts if part), _PLACE.sub("", message))
