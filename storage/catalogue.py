"""Which storages there are, found by asking the technologies themselves, and readers that follow their names."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TypeVar

from schemas import Record
from storage.alias import Alias
from storage.descriptor import Descriptor
from storage.errors import StorageMissing
from storage.reader import Located, Reader
from storage.technology import Reads
from storage.unit import UnitState

R = TypeVar("R", bound=Reader)


class Catalogue:
    """What the last `refresh` found; nothing before the first. Every other method but `states` answers from memory.

    Args:
        technologies: by name, as in a storage's title. Whoever opened them closes them.
    """

    def __init__(self, technologies: Mapping[str, Reads]) -> None:
        self._technologies = dict(technologies)
        self._listing = Listing([], {})

    async def refresh(self) -> None:
        """Ask every technology again; readers follow names that have moved from their next read on.

        Raises:
            StorageUnavailable: one does not answer; what was known before stays.
        """
        asked = [asyncio.gather(reads.catalogue(), reads.aliases()) for reads in self._technologies.values()]
        found: list[Located] = []
        aliases: dict[tuple[str, str, str], Alias] = {}
        for (name, reads), (descriptors, names) in zip(
            self._technologies.items(), await asyncio.gather(*asked), strict=True
        ):
            found += [Located(reads, self._known(replace(item, technology=name))) for item in descriptors]
            aliases.update({(name, *storage): alias for storage, alias in names.items()})
        self._listing = Listing(found, aliases)

    def _known(self, descriptor: Descriptor) -> Descriptor:
        """The same object as before where nothing has changed, so that readers keep what they made of it."""
        before = self._listing.by_title.get(descriptor.title)
        return descriptor if before != descriptor or before is None else before

    def storages(self) -> list[Descriptor]:
        """Every version of every storage, by technology, format, name and version."""
        return [located.descriptor for located in self._listing.found]

    def alias(self, descriptor: Descriptor) -> Alias | None:
        """What the storage's name stands for; None = no version of it is ready."""
        return self._listing.aliases.get((descriptor.technology, descriptor.format, descriptor.name))

    def find(self, format: str, name: str, version: int | None = None, technology: str | None = None) -> Descriptor:
        """The storage that a name stands for.

        Args:
            name: also "popular@3", "redis/ranking/popular" or "redis/ranking/popular@3", which say more.
            version: None = the one that the name's alias points to.

        Raises:
            StorageMissing: there is none, or one in several technologies; the message lists what exists.
        """
        return self._listing.find(format, name, version, technology).descriptor

    def reader(
        self,
        kind: type[R],
        name: str,
        record: type[Record] | None = None,
        version: int | None = None,
        technology: str | None = None,
    ) -> R:
        """A reader of the storage that a name stands for, now and after each `refresh`.

        Args:
            record: the class of the rows, for records.

        Raises:
            StorageMissing: see `find`. A reader raises it too, when its storage is there no more.
            FormatRefused: rows cannot be read as this class.
        """
        seen: Listing | None = None
        located: Located

        def locate() -> Located:
            nonlocal seen, located
            if seen is not self._listing:
                listing = self._listing
                located = listing.find(kind.format, name, version, technology)
                seen = listing
            return located

        return kind(locate, record)

    async def states(self) -> dict[str, list[UnitState]]:
        """By storage's title, how far its units are. One question per writer, all at once.

        Raises:
            StorageUnavailable: a technology does not answer.
        """
        asked: dict[tuple[object, ...], asyncio.Task[list[UnitState]]] = {}
        by_title = {}
        async with asyncio.TaskGroup() as group:
            for reads, item in self._listing.found:
                writer = item.technology, item.writer, item.generation, item.topic
                if writer not in asked:
                    asked[writer] = group.create_task(_awaited(reads, item))
                by_title[item.title] = asked[writer]
        return {title: task.result() for title, task in by_title.items()}


class Listing:
    """What the technologies said at one refresh."""

    def __init__(self, found: Iterable[Located], aliases: Mapping[tuple[str, str, str], Alias]) -> None:
        self.found = sorted(found, key=lambda located: _order(located.descriptor))
        self.aliases = aliases
        self.by_title = {located.descriptor.title: located.descriptor for located in self.found}

    def find(self, format: str, name: str, version: int | None, technology: str | None) -> Located:
        """See `Catalogue.find`."""
        where, plain, pinned = _parts(format, name)
        technology, version = technology or where, version or pinned
        named = [located for located in self.found if (format, plain) == _name(located.descriptor)]
        there = [
            located
            for located in named
            if technology in (None, located.descriptor.technology) and located.descriptor.state == "ready"
        ]
        technologies = sorted({located.descriptor.technology for located in there})
        if len(technologies) > 1:
            choices = " or ".join(f'"{each}/{format}/{plain}"' for each in technologies)
            raise StorageMissing(f"{format}/{plain} exists in several technologies; say which: {choices}.")
        if there and version is None:
            alias = self.aliases.get((technologies[0], format, plain))
            version = None if alias is None else alias.version
            return next((item for item in there if item.descriptor.version == version), there[-1])
        for located in there:
            if located.descriptor.version == version:
                return located
        known = ", ".join(located.descriptor.title for located in self.found) or "none yet"
        wanted = f"{f'{technology}/' if technology else ''}{format}/{plain}{f'@{version}' if version else ''}"
        raise StorageMissing(f"{wanted} does not exist; there are: {known}.")


async def _awaited(reads: Reads, descriptor: Descriptor) -> list[UnitState]:
    return await reads.units(descriptor)


def _order(descriptor: Descriptor) -> tuple[str, str, str, int]:
    return descriptor.technology, descriptor.format, descriptor.name, descriptor.version


def _name(descriptor: Descriptor) -> tuple[str, str]:
    return descriptor.format, descriptor.name


def _parts(format: str, name: str) -> tuple[str | None, str, int | None]:
    """Technology, plain name and version in what may be a storage's whole title."""
    title, _, version = name.partition("@")
    technology, _, plain = title.rpartition(f"/{format}/")
    if "@" in name and not version.isdecimal():
        return None, name, None  # no version has such a number, so that nothing is found under the whole text
    return technology or None, plain, int(version) if version else None
