"""An event's fields as a list, those within records too: their types in words, who reads each, what a version changed.

No I/O.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from schemas.avro import Field, Node, Schema, resolved
from schemas.event_type import KEY
from schemas.graph import Break
from schemas.readers import Reader


@dataclass(frozen=True, slots=True)
class FieldUse:
    """One field of a topic, and how each of its readers takes it.

    Attributes:
        place: `stars`, `lines[].n`.
        type: in words; "" where the newest version does not write it.
        uses: by reader's title: "reads"; "default" = it is not written, and the reader takes its default; "breaks" = it
            cannot be read. Whoever is not there does not declare it.
    """

    place: str
    type: str
    uses: Mapping[str, str]

    @property
    def unread(self) -> bool:
        """Whether it is written for nobody."""
        return bool(self.type) and not self.uses


@dataclass(frozen=True, slots=True)
class Change:
    """What a version changed at one place: `kind` is "added", "removed" or "changed"; `words` say how it is now, or
    what it was."""

    kind: str
    place: str
    words: str


def field_uses(written: Schema | None, readers: Sequence[Reader], breaks: Sequence[Break]) -> list[FieldUse]:
    """The fields of a topic: those of its newest version in their order, then those that only readers have.

    Args:
        written: the newest version; None = nothing is registered.
        breaks: what these cannot read of it.
    """
    broken = {(item.reader.title, item.field.rstrip("[]{}")) for item in breaks}  # what a list holds is its field's
    types = {} if written is None else {place: type_words(field.type) for place, field in places(written)}
    found: dict[str, dict[str, str]] = {place: {} for place in types}
    for reader in readers:
        for place, field in places(reader.schema):
            renamed = [place.removesuffix(field.name) + alias for alias in field.aliases]
            source = next((name for name in (place, *renamed) if name in types), None)
            kind = "default" if source is None else "reads"
            found.setdefault(source or place, {})[reader.title] = "breaks" if (reader.title, place) in broken else kind
    return [FieldUse(place, types.get(place, ""), uses) for place, uses in found.items()]


def changes(old: Schema, new: Schema) -> list[Change]:
    """What the new schema has other than the old one, in the order of fields; the key last."""
    before, after = dict(places(old)), dict(places(new))
    found = []
    for place, field in after.items():
        if place not in before:
            found.append(Change("added", place, _words(field)))
        elif _words(field) != _words(before[place]):
            found.append(Change("changed", place, f"{_words(before[place])} → {_words(field)}"))
    found += [Change("removed", place, _words(field)) for place, field in before.items() if place not in after]
    keys = [schema.get(KEY, "no field") if isinstance(schema, Mapping) else "no field" for schema in (old, new)]
    if keys[0] != keys[1]:
        found.append(Change("changed", "key", f"{keys[0]} → {keys[1]}"))
    return found


def places(schema: Schema) -> Iterator[tuple[str, Field]]:
    """Every field by its place; a record within itself is gone into once."""
    yield from _places(resolved(schema), "", ())


def type_words(node: Node) -> str:
    """A type in words: "timestamp-millis", "string or null", "list of int", "record Line"."""
    if node.optional is not None:
        return f"{type_words(node.optional)} or null"
    if node.kind == "union":
        return " or ".join(type_words(branch) for branch in node.branches) or "nothing"
    if node.kind in ("array", "map"):
        assert node.items is not None
        return f"{'list' if node.kind == 'array' else 'map'} of {type_words(node.items)}"
    if node.logical is not None:
        numbers = [str(node.properties[name]) for name in ("precision", "scale") if name in node.properties]
        return f"{node.logical}({', '.join(numbers)})" if numbers else node.logical
    if node.kind == "enum":
        return f"one of {', '.join(node.symbols)}"
    if node.kind == "fixed":
        return f"{node.size} bytes"
    return f"record {node.name.rpartition('.')[2]}" if node.kind == "record" else node.kind


def _words(field: Field) -> str:
    aliases = f", was {', '.join(field.aliases)}" if field.aliases else ""
    default = f" = {json.dumps(field.default, ensure_ascii=False)}" if field.has_default else ""
    return type_words(field.type) + default + aliases


def _places(node: Node, place: str, within: tuple[int, ...]) -> Iterator[tuple[str, Field]]:
    if node.kind == "union":
        for branch in node.branches:
            yield from _places(branch, place, within)
    elif node.items is not None:
        yield from _places(node.items, place + ("[]" if node.kind == "array" else "{}"), within)
    elif node.kind == "record" and id(node) not in within:
        for field in node.fields:
            here = f"{place}.{field.name}" if place else field.name
            yield here, field
            yield from _places(field.type, here, (*within, id(node)))
