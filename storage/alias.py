"""What a name stands for, and how it may move. Pure; a technology keeps it and swaps it in one atomic step."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from storage.descriptor import Descriptor
from storage.entry import MOMENT, integer, read

Name = tuple[str, str]
"""Format and name."""
_RULES = {"version": integer(1), "newest": integer(1), "previous": integer(1).or_null(), "since_ms": MOMENT}


@dataclass(frozen=True, slots=True)
class Alias:
    """Which version a name stands for.

    Attributes:
        version: readers of the name read this one.
        newest: the highest version that the name ever stood for: a learner that has caught up goes past it, so that a
            version that was rolled back does not return by itself.
        previous: what it stood for before; None = nothing.
        since_ms: when it moved, in ms since 1970.
    """

    version: int
    newest: int
    previous: int | None
    since_ms: int

    def moved(self, version: int, now_ms: int) -> Alias:
        """The alias after the name has moved to a version; itself if it stands for that one already."""
        if version == self.version:
            return self
        return Alias(version, max(self.newest, version), self.version, now_ms)

    def to_json(self) -> str:
        """As it is kept; `of_json` reads it."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def of_json(cls, text: object) -> Alias:
        """Read what `to_json` wrote; what a later release may have added is ignored.

        Raises:
            EntryDamaged: it is none; any program may have written it.
        """
        return cls(**read(text, _RULES))


def first(version: int, now_ms: int) -> Alias:
    """The alias of a name that has stood for nothing."""
    return Alias(version, version, None, now_ms)


def advanced(aliases: Mapping[Name, Alias], descriptors: Sequence[Descriptor], now_ms: int) -> dict[Name, Alias]:
    """The aliases that change when these versions have caught up: only forward, past all that a name ever stood for."""
    found: dict[Name, Alias] = {}
    for item in descriptors:
        old = aliases.get(item.place)
        if old is None:
            found[item.place] = first(item.version, now_ms)
        elif item.version > old.newest:
            found[item.place] = old.moved(item.version, now_ms)
    return found


def switched(aliases: Mapping[Name, Alias], descriptors: Sequence[Descriptor], now_ms: int) -> dict[Name, Alias]:
    """The aliases that change when somebody lets the names stand for these versions, older ones too."""
    found: dict[Name, Alias] = {}
    for item in descriptors:
        old = aliases.get(item.place)
        new = first(item.version, now_ms) if old is None else old.moved(item.version, now_ms)
        if new is not old:
            found[item.place] = new
    return found
