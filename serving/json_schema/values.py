"""Whether every value of one JSON Schema is a value of another one, and where it need not be.

For the schemas that msgspec and pydantic make of types: references into `$defs`, unions, enumerations, limits, objects,
arrays and maps. What two schemas do not let one decide counts as a misfit: a refused change costs less than a broken
caller.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from serving.json_schema.words import Schema, in_words, place_of

_LENGTHS = (("minLength", "maxLength"), ("minItems", "maxItems"), ("minProperties", "maxProperties"))
_EXACT = ("pattern", "format", "multipleOf", "contentEncoding", "uniqueItems")
_NAMES = {bool: "boolean", int: "integer", float: "number", str: "string", type(None): "null"}


class Why(Enum):
    """Why a value of the first schema need not be one of the second."""

    ABSENT = "the first does not know a field that the second requires"
    OPTIONAL = "the first may leave out a field that the second requires"
    IGNORED = "the second does not know a field of the first, and passes over it"
    REFUSED = "the second does not know a field of the first, and refuses it"
    OTHER = "the second is of another type, or narrower"


@dataclass(frozen=True, slots=True)
class Misfit:
    """Where and why; `first` and `second` are the schemas there in words. The place is such as `items[].score`."""

    place: str
    why: Why
    first: str = ""
    second: str = ""


def misfits(first: Schema, second: Schema) -> list[Misfit]:
    """Why a value of the first need not be a value of the second; empty when each one is."""
    return list(_Comparison(first, second).of(first, second, ""))


class _Comparison:
    def __init__(self, first: Schema, second: Schema) -> None:
        self._first: Schema = first.get("$defs", {})
        self._second: Schema = second.get("$defs", {})
        self._under_way: list[tuple[Schema, Schema]] = []

    def of(self, first: Schema, second: Schema, place: str) -> Iterator[Misfit]:
        """Compare what stands at one place. A type that holds itself fits while nothing else speaks against it."""
        if any(one is first and other is second for one, other in self._under_way):
            return
        self._under_way.append((first, second))
        others = list(_branches(second, self._second))
        for branch in _branches(first, self._first):
            yield from self._among(branch, others, place)
        self._under_way.pop()

    def _among(self, branch: Schema, others: Sequence[Schema], place: str) -> Iterator[Misfit]:
        """A branch fits if one of the others takes it; else the nearest one's misfits are told."""
        found = [list(self._branch(branch, other, place)) for other in others]
        if all(found):
            alike = [item for item, other in zip(found, others, strict=True) if _kind(other) == _kind(branch)]
            whole = [Misfit(place, Why.OTHER, in_words(branch), " or ".join(map(in_words, others)))]
            yield from min(alike, key=len, default=whole)

    def _branch(self, first: Schema, second: Schema, place: str) -> Iterator[Misfit]:
        kind, wanted = _kind(first), _kind(second)
        if wanted is None:
            return
        if kind != wanted and (kind, wanted) != ("integer", "number"):
            yield Misfit(place, Why.OTHER, in_words(first), in_words(second))
            return
        yield from _narrower(first, second, place)
        if kind == "array":
            yield from self._array(first, second, place)
        elif kind == "object":
            yield from self._object(first, second, place)

    def _array(self, first: Schema, second: Schema, place: str) -> Iterator[Misfit]:
        parts, wanted = first.get("prefixItems"), second.get("prefixItems")
        if wanted is None:
            for part in parts or [first.get("items") or {}]:
                yield from self.of(part, second.get("items") or {}, f"{place}[]")
        elif parts is None or len(parts) != len(wanted):
            yield Misfit(place, Why.OTHER, in_words(first), in_words(second))
        else:
            for number, (part, other) in enumerate(zip(parts, wanted, strict=True)):
                yield from self.of(part, other, f"{place}[{number}]")

    def _object(self, first: Schema, second: Schema, place: str) -> Iterator[Misfit]:
        fields, known = first.get("properties", {}), second.get("properties", {})
        rest = second.get("additionalProperties", True)
        for name in second.get("required", ()):
            if name not in first.get("required", ()):
                yield Misfit(place_of(place, name), Why.OPTIONAL if name in fields else Why.ABSENT)
        for name, kind in fields.items():
            if name in known or isinstance(rest, Mapping):
                yield from self.of(kind, known.get(name, rest), place_of(place, name))
            elif known or rest is False:
                yield Misfit(place_of(place, name), Why.REFUSED if rest is False else Why.IGNORED)
        values = first.get("additionalProperties")
        if isinstance(values, Mapping):  # a map: it has names that nobody knows
            if known:
                yield Misfit(place, Why.OTHER, in_words(first), in_words(second))
            elif isinstance(rest, Mapping):
                yield from self.of(values, rest, place_of(place, "*"))


def _branches(schema: Schema, defs: Schema) -> Iterator[Schema]:
    """What a value may be: each alternative of unions, of lists of types and of enumerations of several types."""
    while "$ref" in schema:
        schema = defs[schema["$ref"].rpartition("/")[2]]
    union = schema.get("anyOf") or schema.get("oneOf")
    if union:
        for branch in union:
            yield from _branches(branch, defs)
    elif isinstance(schema.get("type"), list):
        yield from ({**schema, "type": kind} for kind in schema["type"])
    elif "type" not in schema and (values := _values(schema)) is not None:
        kinds = dict.fromkeys(_NAMES.get(type(value)) for value in values)
        yield from ({"type": kind, "enum": [one for one in values if _NAMES.get(type(one)) == kind]} for kind in kinds)
    else:
        yield schema


def _kind(schema: Schema) -> str | None:
    """The type's name; None takes anything."""
    found: str | None = schema.get("type")
    return found


def _values(schema: Schema) -> Sequence[Any] | None:
    found: Sequence[Any] | None = [schema["const"]] if "const" in schema else schema.get("enum")
    return found


def _narrower(first: Schema, second: Schema, place: str) -> Iterator[Misfit]:
    """Values and limits of the second that the first does not keep."""
    values, wanted = _values(first), _values(second)
    if wanted is not None and (values is None or any(value not in wanted for value in values)):
        yield Misfit(place, Why.OTHER, in_words(first), in_words(second))
        return
    if not _within(first, second):
        yield Misfit(place, Why.OTHER, in_words(first), in_words(second))
    for key in [key for key in _EXACT if key in second and first.get(key) != second[key]]:
        yield Misfit(place, Why.OTHER, f"{key} {first.get(key, 'of any kind')}", f"{key} {second[key]}")


def _within(first: Schema, second: Schema) -> bool:
    """Whether the first's limits are as narrow as the second's."""
    (low, high), (least, most) = _limits(first), _limits(second)
    return low >= least and high <= most and all(_length_within(first, second, *keys) for keys in _LENGTHS)


def _length_within(first: Schema, second: Schema, least: str, most: str) -> bool:
    endless = float("inf")
    return bool(first.get(least, 0) >= second.get(least, 0) and first.get(most, endless) <= second.get(most, endless))


def _limits(schema: Schema) -> tuple[tuple[float, int], tuple[float, int]]:
    """Lowest and highest number; of an excluded limit the second member says on which side of it."""
    lows = [(schema.get("minimum", float("-inf")), 0), (schema.get("exclusiveMinimum", float("-inf")), 1)]
    highs = [(schema.get("maximum", float("inf")), 0), (schema.get("exclusiveMaximum", float("inf")), -1)]
    return max(lows), min(highs)
