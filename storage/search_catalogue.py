"""What there is in OpenSearch: descriptors and aliases in one document, so that several change at one moment.

storages   "ranking/popular@2" -> its descriptor as JSON, in a text
aliases    "ranking/popular" -> the alias as JSON, in a text
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from storage.alias import Alias, Name, advanced, first, switched
from storage.declaring import settled
from storage.descriptor import Descriptor
from storage.search_connection import harmless
from storage.search_state import Found, State

CATALOGUE = "catalogue"


@dataclass(frozen=True)
class Listed:
    """The content of the document."""

    descriptors: dict[str, Descriptor] = field(default_factory=dict)
    aliases: dict[Name, Alias] = field(default_factory=dict)

    @classmethod
    def of(cls, source: Mapping[str, Any] | None) -> Listed:
        """Of the document as it is kept; nothing if there is none."""
        if source is None:
            return cls()
        aliases = ((name.partition("/"), text) for name, text in source["aliases"].items())
        return cls(
            {place: Descriptor.of_json(text) for place, text in source["storages"].items()},
            {(name[0], name[2]): Alias.of_json(text) for name, text in aliases},
        )

    def sorted(self) -> list[Descriptor]:
        """The descriptors by name and version."""
        return sorted(self.descriptors.values(), key=lambda item: (item.storage, item.version))

    def source(self) -> dict[str, dict[str, str]]:
        """As it is kept."""
        return {
            "storages": {place: item.to_json() for place, item in self.descriptors.items()},
            "aliases": {"/".join(name): alias.to_json() for name, alias in self.aliases.items()},
        }


class SearchCatalogue:
    """See `Technology` for what the methods of its names promise."""

    def __init__(self, state: State) -> None:
        self._state = state

    def listed(self) -> Listed:
        """What there is now."""
        return _listed(self._state.get(CATALOGUE))

    def declare(self, wanted: Descriptor) -> tuple[Descriptor | None, Descriptor]:
        """What was there before, and what is there now."""
        place = _place(wanted)

        def change(now: Listed) -> Listed:
            found = settled(now.descriptors.get(place), wanted)
            names = {found.place: first(found.version, _now())} if found.state == "ready" else {}
            return Listed({**now.descriptors, place: found}, {**names, **now.aliases})

        before, after = self._change(change)
        return before.descriptors.get(place), after.descriptors[place]

    def point(self, items: Sequence[Descriptor]) -> None:
        """See `Technology.point`."""
        self._change(lambda now: Listed(now.descriptors, {**now.aliases, **advanced(now.aliases, items, _now())}))

    def switch(self, items: Sequence[Descriptor]) -> None:
        """See `Technology.switch`."""
        self._change(lambda now: Listed(now.descriptors, {**now.aliases, **switched(now.aliases, items, _now())}))

    def alter(self, existing: Descriptor, wanted: Descriptor) -> bool:
        """See `Technology.alter`."""
        place, altered = _place(existing), True

        def change(now: Listed) -> Listed:
            nonlocal altered
            altered = place in now.descriptors and now.descriptors[place].to_json() == existing.to_json()
            return Listed({**now.descriptors, place: wanted}, now.aliases) if altered else now

        self._change(change)
        return altered

    def forget(self, descriptor: Descriptor) -> None:
        """Remove a descriptor, and the alias that leads to it."""
        place = _place(descriptor)

        def change(now: Listed) -> Listed:
            rest = {name: item for name, item in now.descriptors.items() if name != place}
            gone = descriptor.place, descriptor.version
            return Listed(rest, {name: alias for name, alias in now.aliases.items() if (name, alias.version) != gone})

        self._change(change)

    def _change(self, change: Callable[[Listed], Listed]) -> tuple[Listed, Listed]:
        while True:
            found = self._state.get(CATALOGUE)
            before = _listed(found)
            after = change(before)
            if after.source() == before.source():
                return before, after
            with harmless():
                if self._state.swap(CATALOGUE, found, after.source()):
                    return before, after


def _listed(found: Found | None) -> Listed:
    return Listed.of(None if found is None else found.source)


def _place(descriptor: Descriptor) -> str:
    return f"{descriptor.storage}@{descriptor.version}"


def _now() -> int:
    return time.time_ns() // 1_000_000
