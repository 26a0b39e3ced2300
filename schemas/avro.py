"""Avro schemas as the decoders want them, and the checks that every schema passes first."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import fastavro

from schemas.errors import SchemaError

Schema = Mapping[str, Any] | Sequence[Any] | str
"""A schema as JSON values: a type's name, a list (a union), or an object."""

LARGEST_SCHEMA = 1_000_000
"""Characters of a schema's text."""
DEEPEST_SCHEMA = 100
_PRIMITIVES = {"null", "boolean", "int", "long", "float", "double", "bytes", "string"}


def parsed(schema: Schema) -> Any:
    """The schema as fastavro wants it, names resolved. Keeps what it has parsed.

    Raises:
        SchemaError: it is no Avro schema.
    """
    return _parsed(text_of(schema))


def text_of(schema: Schema) -> str:
    """A schema's compact JSON text."""
    return json.dumps(schema, separators=(",", ":"))


def of_text(text: str) -> Any:
    """A schema's JSON values from its text.

    Raises:
        SchemaError: it is too large, too deeply nested, no JSON or no Avro schema.
    """
    if len(text) > LARGEST_SCHEMA:
        raise SchemaError(f"A schema has at most {LARGEST_SCHEMA:,} characters, not {len(text):,}.")
    try:
        schema = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SchemaError(f"The schema is not JSON: {error}.") from error
    if _depth(schema) > DEEPEST_SCHEMA:
        raise SchemaError(f"The schema is nested more than {DEEPEST_SCHEMA} deep.")
    try:
        json.dumps(schema, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise SchemaError("The schema names half of a character (a lone surrogate), which no text can hold.") from error
    parsed(schema)
    return schema


def of_trusted_text(text: str) -> Any:
    """A schema's JSON values from a text that `text_of` has made."""
    return json.loads(text)


@lru_cache(maxsize=2_000)
def _parsed(text: str) -> Any:
    return parse(json.loads(text), {})


def parse(schema: Any, named: dict[str, Any]) -> Any:
    """The schema as fastavro wants it, anew; puts the named types that it meets into `named`.

    Raises:
        SchemaError: it is no Avro schema.
    """
    try:
        return fastavro.parse_schema(schema, named)
    except (fastavro.schema.SchemaParseException, fastavro.schema.UnknownType) as error:
        raise SchemaError(f"This is no Avro schema: {type(error).__name__}: {error}.") from error
    except (TypeError, KeyError, ValueError, AttributeError, IndexError, RecursionError) as error:
        raise SchemaError(f"This is no Avro schema ({type(error).__name__}: {error}).") from error


def _depth(value: Any) -> int:
    deepest, waiting = 0, [(value, 1)]
    while waiting:
        item, depth = waiting.pop()
        deepest = max(deepest, depth)
        members = item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
        waiting.extend((member, depth + 1) for member in members if isinstance(member, dict | list))
    return deepest


def resolved(schema: Schema) -> Node:
    """The schema as a tree whose references point to what they name; a recursive schema's tree has cycles.

    Raises:
        SchemaError: it is no Avro schema.
    """
    return _resolved(text_of(schema))


class Node:
    """One type of a schema.

    Attributes:
        kind: "record", "array", "union", "long", ...
        logical: its logical type, if it has one.
        name: full name of a record, enum or fixed, else the empty string.
        fields: of a record, in order.
        branches: of a union.
        items: of an array or a map.
        symbols: of an enum.
        size: of a fixed, in bytes.
        properties: the type as it was written.
    """

    __slots__ = ("branches", "fields", "items", "kind", "logical", "name", "properties", "size", "symbols")

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.logical: str | None = None
        self.name = ""
        self.fields: list[Field] = []
        self.branches: list[Node] = []
        self.items: Node | None = None
        self.symbols: list[str] = []
        self.size = 0
        self.properties: Mapping[str, Any] = {}

    @property
    def optional(self) -> Node | None:
        """What it is when it is not null, for a union of null and one other type; else None."""
        others = [branch for branch in self.branches if branch.kind != "null"]
        return others[0] if len(self.branches) == 2 and len(others) == 1 else None


class Field:
    """One field of a record; `default` is a JSON value, and `has_default` says whether there is one."""

    __slots__ = ("aliases", "default", "has_default", "name", "type")

    def __init__(self, name: str, kind: Node, properties: Mapping[str, Any]) -> None:
        self.name, self.type = name, kind
        self.aliases: list[str] = list(properties.get("aliases", ()))
        self.has_default = "default" in properties
        self.default = properties.get("default")


@lru_cache(maxsize=2_000)
def _resolved(text: str) -> Node:
    _parsed(text)
    return _node(json.loads(text), "", {})


def _node(schema: Any, space: str, named: dict[str, Node]) -> Node:
    if isinstance(schema, list):
        union = Node("union")
        union.branches = [_node(branch, space, named) for branch in schema]
        return union
    if isinstance(schema, str):
        if schema in _PRIMITIVES:
            return Node(schema)
        full = schema if "." in schema or not space else f"{space}.{schema}"
        return named.get(full) or named.get(schema) or Node(schema)
    kind = schema["type"]
    if isinstance(kind, dict | list):
        return _node(kind, space, named)
    if kind not in ("record", "error", "enum", "fixed", "array", "map"):
        node = _node(kind, space, named)
        if node.name:
            return node
        node = Node(kind)
    else:
        node = Node("record" if kind == "error" else kind)
    node.logical, node.properties = schema.get("logicalType"), schema
    if node.logical == "decimal" and not schema.get("precision"):
        node.logical = None  # an invalid logical type is ignored (Avro specification, Logical Types)
    if kind in ("record", "error", "enum", "fixed"):
        space = _name(node, schema, space, named)
    if kind in ("array", "map"):
        node.items = _node(schema["items" if kind == "array" else "values"], space, named)
    node.fields = [Field(item["name"], _node(item["type"], space, named), item) for item in schema.get("fields", ())]
    node.symbols, node.size = list(schema.get("symbols", ())), int(schema.get("size", 0))
    return node


def _name(node: Node, schema: Mapping[str, Any], space: str, named: dict[str, Node]) -> str:
    """Give a type its full name; returns the namespace inside it."""
    name = schema["name"]
    if "." not in name:
        outer = schema.get("namespace", space)
        name = f"{outer}.{name}" if outer else name
    node.name = name
    named[name] = node
    return str(name.rpartition(".")[0])
