"""Schemas, values of them, and what readers make of them, for property tests: Avro's types, inside one another."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from typing import Any

from hypothesis import strategies as st

Values = st.SearchStrategy[Any]
INT, LONG = st.integers(-(2**31), 2**31 - 1), st.integers(-(2**63), 2**63 - 1)
LOCAL_TIMES = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30))
TIMES = LOCAL_TIMES.map(lambda at: at.replace(tzinfo=UTC))


def whole_millis(at: Any) -> Any:
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def latin(raw: bytes) -> str:
    """Bytes as a default has them."""
    return raw.decode("latin-1")


@dataclass(frozen=True)
class Type:
    """A type, its values as they are written, and defaults of it as JSON values."""

    schema: Any
    values: Values
    defaults: Values


def logical(kind: str, name: str, values: Values, defaults: Values, **more: Any) -> Type:
    return Type({"type": kind, "logicalType": name, **more}, values, defaults)


FLOATS = st.floats(-9, 9, width=32)
DAY = 86_400_000
SIMPLE: dict[str, Type] = {
    "boolean": Type("boolean", st.booleans(), st.booleans()),
    "int": Type("int", INT, INT),
    "long": Type("long", LONG, LONG),
    "float": Type("float", st.floats(width=32), FLOATS),
    "double": Type("double", st.floats(), FLOATS),
    "string": Type("string", st.text(max_size=70), st.text(max_size=5)),
    "bytes": Type("bytes", st.binary(max_size=9), st.binary(max_size=4).map(latin)),
    "date": logical("int", "date", st.dates(), st.integers(0, 99_999)),
    "time-millis": logical("int", "time-millis", st.times().map(whole_millis), st.integers(0, DAY - 1)),
    "time-micros": logical("long", "time-micros", st.times(), st.integers(0, DAY * 1000 - 1)),
    "timestamp-millis": logical("long", "timestamp-millis", TIMES.map(whole_millis), st.integers(0, 10**12)),
    "timestamp-micros": logical("long", "timestamp-micros", TIMES, st.integers(0, 10**15)),
    "local-millis": logical("long", "local-timestamp-millis", LOCAL_TIMES.map(whole_millis), st.integers(0, 10**12)),
    "local-micros": logical("long", "local-timestamp-micros", LOCAL_TIMES, st.integers(0, 10**15)),
    "uuid": logical("string", "uuid", st.uuids(), st.uuids().map(str)),
    "decimal": logical(
        "bytes",
        "decimal",
        st.integers(-9999, 9999).map(lambda n: Decimal(n).scaleb(-2)),
        st.integers(0, 99).map(lambda n: latin(bytes([n]))),
        precision=4,
        scale=2,
    ),
}
WIDER = {"int": ["long", "float", "double"], "long": ["float", "double"], "float": ["double"], "string": ["bytes"]}


WITHOUT_COLUMNS = {"bytes", "decimal", "fixed", "map"}
"""What is never decoded in columns."""


OTHER_UNITS = {
    "time-millis": ["time-micros"],
    "timestamp-millis": ["timestamp-micros"],
    "timestamp-micros": ["timestamp-millis"],
    "local-timestamp-millis": ["local-micros"],
    "local-timestamp-micros": ["local-millis"],
}


class Maker:
    """Draws types; each named one gets a name of its own.

    Args:
        columnar: only such as may be decoded in columns.
    """

    def __init__(self, draw: st.DrawFn, columnar: bool) -> None:
        self.draw = draw
        self._numbers = count()
        self._kinds = [*SIMPLE, "enum", "fixed"]
        self._outer = ["record", "array", "map", "optional", "record", "array"]
        if columnar:
            self._kinds = [kind for kind in self._kinds if kind not in WITHOUT_COLUMNS]
            self._outer.remove("map")

    def type(self, depth: int = 2) -> Type:
        kinds = self._kinds + (self._outer if depth > 0 else [])
        kind = self.draw(st.sampled_from(kinds))
        if kind in SIMPLE:
            return SIMPLE[kind]
        made: Callable[[int], Type] = getattr(self, kind)
        return made(depth - 1)

    def enum(self, depth: int) -> Type:
        symbols = st.sampled_from("ABC")
        return Type({"type": "enum", "name": self._name(), "symbols": [*"ABC"]}, symbols, symbols)

    def fixed(self, depth: int) -> Type:
        raw = st.binary(min_size=3, max_size=3)
        return Type({"type": "fixed", "name": self._name(), "size": 3}, raw, raw.map(latin))

    def array(self, depth: int) -> Type:
        item = self.type(depth)
        schema = {"type": "array", "items": item.schema}
        most = 70 if item.schema in ("boolean", "int", "long") else 3  # counts of one byte, and of two
        return Type(schema, st.lists(item.values, max_size=most), st.lists(item.defaults, max_size=2))

    def map(self, depth: int) -> Type:
        item = self.type(depth)
        keys = st.text(max_size=3)
        schema = {"type": "map", "values": item.schema}
        return Type(
            schema, st.dictionaries(keys, item.values, max_size=2), st.dictionaries(keys, item.defaults, max_size=1)
        )

    def optional(self, depth: int) -> Type:
        item = self.type(depth)
        if isinstance(item.schema, list):
            return item
        if self.draw(st.booleans()):
            return Type(["null", item.schema], st.none() | item.values, st.none())
        return Type([item.schema, "null"], st.none() | item.values, item.defaults)

    def record(self, depth: int, most: int = 3) -> Type:
        fields = {f"f{next(self._numbers)}": self.type(depth) for _ in range(self.draw(st.integers(1, most)))}
        listed = [{"name": name, "type": item.schema} for name, item in fields.items()]
        return Type(
            {"type": "record", "name": self._name(), "fields": listed},
            st.fixed_dictionaries({name: item.values for name, item in fields.items()}),
            st.fixed_dictionaries({name: item.defaults for name, item in fields.items()}),
        )

    def evolved(self, schema: Any) -> Any:
        """A schema that reads what this one wrote."""
        if isinstance(schema, list):
            return [self.evolved(branch) for branch in schema]
        if isinstance(schema, str):
            return self.draw(st.sampled_from([schema, schema, *WIDER.get(schema, [])]))
        if name := schema.get("logicalType"):
            others = [SIMPLE[other].schema for other in OTHER_UNITS.get(name, ())]
            plain = [] if name == "decimal" else [schema["type"]]
            return self.draw(st.sampled_from([schema, *plain, *others]))
        match schema["type"]:
            case "array":
                return {**schema, "items": self.evolved(schema["items"])}
            case "map":
                return {**schema, "values": self.evolved(schema["values"])}
            case "enum":
                return self.draw(st.sampled_from([schema, {**schema, "symbols": ["B", "A"], "default": "A"}]))
            case "record":
                return {**schema, "fields": self._evolved_fields(schema["fields"])}
        return schema

    def _evolved_fields(self, written: list[dict[str, Any]]) -> list[dict[str, Any]]:
        found = []
        for field in written:
            match self.draw(st.sampled_from(["keep", "keep", "change", "change", "optional", "rename", "drop"])):
                case "keep":
                    found.append(field)
                case "change":
                    found.append({**field, "type": self.evolved(field["type"])})
                case "optional":
                    kind = field["type"] if isinstance(field["type"], list) else ["null", field["type"]]
                    found.append({**field, "type": kind})
                case "rename":
                    found.append({**field, "name": f"f{next(self._numbers)}", "aliases": [field["name"]]})
        for _ in range(self.draw(st.integers(0, 2)) if found else 1):
            added = self.type(1)
            default = self.draw(added.defaults)
            found.append({"name": f"f{next(self._numbers)}", "type": added.schema, "default": default})
        return self.draw(st.permutations(found))

    def _name(self) -> str:
        return f"N{next(self._numbers)}"


@dataclass(frozen=True)
class Evolution:
    """A writer's schema, a reader's that reads it, and rows as they are written."""

    writer: dict[str, Any]
    reader: dict[str, Any]
    rows: list[dict[str, Any]]


@st.composite
def evolutions(draw: st.DrawFn) -> Evolution:
    """Writers' schemas with rows of them, and what a reader may have made of them."""
    maker = Maker(draw, draw(st.booleans()))
    made = maker.record(2, most=5)
    writer = {**made.schema, "name": "Root"}
    reader = maker.evolved(copy.deepcopy(writer))
    return Evolution(writer, reader, draw(st.lists(made.values, min_size=1, max_size=3)))
