"""What there is in OpenSearch: descriptors and aliases in one document, so that several change at one moment.

storages   "ranking/popular@2" -> its descriptor as JSON, in a text
aliases    "ranking/popular" -> the alias as JSON, in a text
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from storage.alias import Alias, Name, first
from storage.clock import now_ms
from storage.declaring import settled
from storage.descriptor import Descriptor
from storage.errors import SuspectGeneration, harmless
from storage.leases import leases
from storage.listed import EntryKind, Listed, existing, is_damaged
from storage.search.state import Found, State

CATALOGUE = "catalogue"


@dataclass(frozen=True)
class Content:
    """The document as it is kept: what cannot be read stays in it as it is, whatever else changes."""

    storages: Mapping[str, Any] = field(default_factory=dict)
    aliases: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, source: Mapping[str, Any] | None) -> Content:
        """Of the document; nothing if there is none. Raises SuspectGeneration for what is no catalogue."""
        return cls() if source is None else cls(_entries(source, "storages"), _entries(source, "aliases"))

    def listed(self) -> Listed:
        """What it says."""
        return Listed.of(self.storages.items(), self.aliases.items())

    def with_storage(self, item: Descriptor) -> Content:
        """The same with this descriptor."""
        return replace(self, storages={**self.storages, item.entry: item.to_json()})

    def with_aliases(self, moved: Mapping[Name, Alias]) -> Content:
        """The same with these aliases."""
        return replace(self, aliases={**self.aliases, **{"/".join(name): it.to_json() for name, it in moved.items()}})

    def without(self, kind: EntryKind, entry: str) -> Content:
        """The same without this entry."""
        if kind == "storage":
            return replace(self, storages={name: text for name, text in self.storages.items() if name != entry})
        return replace(self, aliases={name: text for name, text in self.aliases.items() if name != entry})


class SearchCatalogue:
    """See `Technology` for what the methods of its names promise."""

    def __init__(self, state: State, leases: State) -> None:
        self._state, self._leases = state, leases

    def listed(self) -> Listed:
        """What there is now."""
        return _content(self._state.get(CATALOGUE)).listed()

    def storages(self) -> list[Descriptor]:
        """See `Technology.storages`."""
        return self.listed().sorted()

    def aliases(self) -> dict[Name, Alias]:
        """See `Technology.aliases`."""
        return dict(self.listed().aliases)

    def leases(self) -> dict[str, int]:
        """See `Technology.leases`."""
        found = self._leases.get("leases")
        return {} if found is None else leases(_entries(found.source, "titles").items())

    def release(self, titles: Collection[str]) -> None:
        """See `Technology.release`."""
        while (found := self._leases.get("leases")) is not None:
            there = _entries(found.source, "titles")
            if not there.keys() & set(titles):
                return
            rest = {title: until for title, until in there.items() if title not in titles}
            with harmless():
                if self._leases.swap("leases", found, {"titles": rest}):
                    return

    def declare(self, wanted: Descriptor) -> tuple[Descriptor | None, Descriptor]:
        """What was there before, and what is there now."""
        before: Descriptor | None = None
        found = wanted

        def change(now: Content) -> Content:
            nonlocal before, found
            before = existing("search", wanted.entry, now.storages.get(wanted.entry))
            found = settled(before, wanted)
            named = found.state != "ready" or found.storage in now.aliases
            changed = now if found == before else now.with_storage(found)
            return changed if named else changed.with_aliases({found.place: first(found.version, now_ms())})

        self._change(change)
        return before, found

    def discard(self, kind: EntryKind, entry: str) -> bool:
        """See `Technology.discard`."""
        found = False

        def change(now: Content) -> Content | None:
            nonlocal found
            texts = now.storages if kind == "storage" else now.aliases
            found = entry in texts and is_damaged(kind, entry, texts[entry])
            return now.without(kind, entry) if found else None

        self._change(change)
        return found

    def point(self, items: Sequence[Descriptor]) -> None:
        """See `Technology.point`."""
        self._change(lambda now: now.with_aliases(now.listed().advanced(items, now_ms())))

    def switch(self, items: Sequence[Descriptor]) -> bool:
        """See `Technology.switch`."""
        moved: dict[Name, Alias] | None = None

        def change(now: Content) -> Content | None:
            nonlocal moved
            moved = now.listed().switched(items, now_ms())
            return None if moved is None else now.with_aliases(moved)

        self._change(change)
        return moved is not None

    def alter(self, before: Descriptor, wanted: Descriptor) -> bool:
        """See `Technology.alter`."""
        altered = False

        def change(now: Content) -> Content | None:
            nonlocal altered
            altered = now.listed().descriptors.get(before.entry) == before
            return now.with_storage(wanted) if altered else None

        self._change(change)
        return altered

    def forget(self, descriptor: Descriptor) -> None:
        """Remove a descriptor, and the alias that leads to it."""
        self._change(lambda now: _without(now, descriptor))

    def withdraw(self, descriptor: Descriptor) -> None:
        """The same, unless somebody has changed the descriptor since it was declared."""

        def change(now: Content) -> Content | None:
            unchanged = now.listed().descriptors.get(descriptor.entry) == descriptor
            return _without(now, descriptor) if unchanged else None

        self._change(change)

    def _change(self, change: Callable[[Content], Content | None]) -> None:
        """Make of the catalogue what it is to be; None = nothing is to be done. What it is already is written again: it
        was seen, and need not be on the disk yet."""
        while True:
            found = self._state.get(CATALOGUE)
            after = change(_content(found))
            if after is None or (found is None and after == Content()):
                return
            with harmless():
                if self._state.swap(CATALOGUE, found, asdict(after)):
                    return


def _content(found: Found | None) -> Content:
    return Content.of(None if found is None else found.source)


def _without(now: Content, descriptor: Descriptor) -> Content:
    alias = now.listed().aliases.get(descriptor.place)
    rest = now.without("storage", descriptor.entry)
    leads = alias is not None and alias.version == descriptor.version
    return rest.without("alias", descriptor.storage) if leads else rest


def _entries(source: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A part of a document, by entry. Raises SuspectGeneration for what is none: any program may have written it."""
    found = source.get(name)
    if not isinstance(found, dict):
        raise SuspectGeneration(
            f"What OpenSearch keeps as `{name}` of all storages is {found!r:.80} and no object: somebody else wrote it."
        )
    return found
