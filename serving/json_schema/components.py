"""The named schemas of an OpenAPI document, gathered from many types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from serving.json_schema.words import Schema

PLACE = "#/components/schemas/"


class Components:
    """Takes schemas that refer into their own `$defs`, and puts all of these in one place.

    Two versions of an endpoint type may each have a class `Item`. Where the two are not alike, all classes of the later
    type get its owner's name in front.

    Attributes:
        schemas: name -> schema.
    """

    def __init__(self) -> None:
        self.schemas: dict[str, Any] = {}
        self._origins: dict[str, Any] = {}

    def add(self, schema: Schema, owner: str) -> Schema:
        """Take a schema, and give a reference to it.

        Args:
            owner: a name that no other owner has, of letters, digits, `_`, `-` and `.`.
        """
        defs = schema["$defs"]
        alike = all(self._origins.get(name, kind) == kind for name, kind in defs.items())
        names = {name: _allowed(name if alike else f"{owner}.{name}") for name in defs}
        for name, kind in defs.items():
            self._origins[names[name]] = kind
            self.schemas[names[name]] = _moved(kind, names)
        return {"$ref": PLACE + names[schema["$ref"].rpartition("/")[2]]}


def _allowed(name: str) -> str:
    """A generic model is called `Page[Item]`, which is no name of a component."""
    return "".join(letter if letter.isascii() and (letter.isalnum() or letter in "_.-") else "_" for letter in name)


def _moved(value: Any, names: Mapping[str, str]) -> Any:
    """The same with all references, and the mappings of discriminators, led to where the schemas are now."""
    if isinstance(value, Mapping):
        return {key: _moved(item, names) for key, item in value.items()}
    if isinstance(value, list):
        return [_moved(item, names) for item in value]
    if isinstance(value, str) and value.startswith("#/$defs/"):
        return PLACE + names[value.removeprefix("#/$defs/")]
    return value
