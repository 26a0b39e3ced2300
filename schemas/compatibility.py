"""Whether one schema can read what another wrote, by the rules of Avro's SchemaCompatibility that registries use.

Avro specification, Schema Resolution. Aliases count in the reader only, and records, enums and fixed are the same by
their unqualified name, as in the Java implementation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from schemas.avro import Field, Node, Schema, resolved

_READ_AS = {
    "int": {"long", "float", "double"},
    "long": {"float", "double"},
    "float": {"double"},
    "string": {"bytes"},
    "bytes": {"string"},
}


class CompatibilityLevel(Enum):
    """What a subject demands of a new schema, under the names of Confluent's registry."""

    NONE = "NONE"
    BACKWARD = "BACKWARD"
    BACKWARD_TRANSITIVE = "BACKWARD_TRANSITIVE"
    FORWARD = "FORWARD"
    FORWARD_TRANSITIVE = "FORWARD_TRANSITIVE"
    FULL = "FULL"
    FULL_TRANSITIVE = "FULL_TRANSITIVE"

    @property
    def transitive(self) -> bool:
        """Whether all earlier versions count, not only the latest."""
        return self.name.endswith("TRANSITIVE")

    @property
    def backward(self) -> bool:
        """Whether the new schema must read what earlier ones wrote."""
        return self.name.startswith(("BACKWARD", "FULL"))

    @property
    def forward(self) -> bool:
        """Whether earlier schemas must read what the new one writes."""
        return self.name.startswith(("FORWARD", "FULL"))


def check(level: CompatibilityLevel, new: Schema, olds: Sequence[Schema]) -> list[str]:
    """What the new schema would break at this level; empty when nothing.

    Args:
        olds: the earlier versions, oldest first.
    """
    found: list[str] = []
    for old in olds if level.transitive else olds[-1:]:
        if level.backward:
            found += [f"the new schema cannot read earlier events: {text}" for text in unreadable(new, old)]
        if level.forward:
            found += [f"earlier readers cannot read new events: {text}" for text in unreadable(old, new)]
    return list(dict.fromkeys(found))


@dataclass(frozen=True, slots=True)
class Difference:
    """Why a reader cannot read what a writer wrote, at one place.

    Attributes:
        place: the field, `lines[].n`; "" = the event as a whole.
        what: what is wrong there, "is string, and the reader takes int".
    """

    place: str
    what: str

    def __str__(self) -> str:
        return f"field {self.place} {self.what}" if self.place else f"the event {self.what}"


def unreadable(reader: Schema, writer: Schema) -> list[str]:
    """Why `reader` cannot read what `writer` wrote, one sentence per place; empty when it can."""
    return [str(difference) for difference in differences(reader, writer)]


def differences(reader: Schema, writer: Schema) -> list[Difference]:
    """The same by place."""
    return _Comparison().differences(resolved(reader), resolved(writer), "")


FEW = 16
"""Differences between two types that are said of each place where these are compared."""


class _Comparison:
    def __init__(self) -> None:
        self._under_way: set[tuple[int, int]] = set()
        self._known: dict[tuple[int, int], tuple[str, list[Difference]]] = {}
        self._assumed = 0

    def differences(self, reader: Node, writer: Node, place: str) -> list[Difference]:
        pair = id(reader), id(writer)
        if pair in self._under_way:
            self._assumed += 1
            return []  # a recursive schema is readable unless something else in it is not
        if pair in self._known:
            first, known = self._known[pair]
            if len(known) > FEW:  # said of the first place only: types may name one another very many times
                return known
            return [Difference((place + item.place[len(first) :]).lstrip("."), item.what) for item in known]
        self._under_way.add(pair)
        assumed = self._assumed
        found = list(dict.fromkeys(self._differences(reader, writer, place)))
        self._under_way.discard(pair)
        if assumed == self._assumed:
            self._known[pair] = place, found
        return found

    def _differences(self, reader: Node, writer: Node, place: str) -> list[Difference]:
        if writer.kind == "union":
            if reader.kind == "union" and not writer.branches:
                return []
            return [item for branch in writer.branches for item in self.differences(reader, branch, place)]
        if reader.kind == "union":
            if any(not self.differences(branch, writer, place) for branch in reader.branches):
                return []
            return [Difference(place, f"may be {_name(writer)}, which the reader does not take")]
        if reader.kind != writer.kind:
            if reader.kind in _READ_AS.get(writer.kind, ()):
                return []
            return [Difference(place, f"is {_name(writer)}, and the reader takes {_name(reader)}")]
        return self._same_kind(reader, writer, place)

    def _same_kind(self, reader: Node, writer: Node, place: str) -> list[Difference]:
        if reader.kind in ("array", "map"):
            assert reader.items is not None
            assert writer.items is not None
            return self.differences(reader.items, writer.items, place + ("[]" if reader.kind == "array" else "{}"))
        if not reader.name:
            return []
        if not _same_name(reader, writer):
            return [Difference(place, f"is named {writer.name}, and the reader takes {reader.name}")]
        if reader.kind == "record":
            return self._fields(reader, writer, place)
        if reader.kind == "fixed" and reader.size != writer.size:
            return [Difference(place, f"has {writer.size} bytes, and the reader takes {reader.size}")]
        missing = [symbol for symbol in writer.symbols if symbol not in reader.symbols]
        if missing and reader.properties.get("default") is None:
            return [Difference(place, f"may be {', '.join(missing)}, which the reader lacks")]
        return []

    def _fields(self, reader: Node, writer: Node, place: str) -> list[Difference]:
        written = {field.name: field for field in writer.fields}
        found: list[Difference] = []
        for field in reader.fields:
            source = _source(field, written)
            inside = f"{place}.{field.name}" if place else field.name
            if source is not None:
                found += self.differences(field.type, source.type, inside)
            elif not field.has_default and not _enum_default(field.type):
                found.append(Difference(inside, "is not written and has no default"))
        return found


def _source(field: Field, written: dict[str, Field]) -> Field | None:
    names = [field.name, *field.aliases]
    return next((written[name] for name in names if name in written), None)


def _enum_default(node: Node) -> bool:
    return node.kind == "enum" and node.properties.get("default") is not None


def _same_name(reader: Node, writer: Node) -> bool:
    if _short(reader.name) == _short(writer.name):
        return True
    space = reader.name.rpartition(".")[0]
    aliases = [
        alias if "." in alias or not space else f"{space}.{alias}" for alias in reader.properties.get("aliases", ())
    ]
    return writer.name in aliases


def _short(name: str) -> str:
    return name.rpartition(".")[2]


def _name(node: Node) -> str:
    return node.name or node.kind
