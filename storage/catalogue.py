"""Which storages there are, found by asking the technologies themselves, and readers that follow their names."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TypeVar

from schemas import Record
from storage.alias import Alias
from storage.descriptor import Descriptor
from storage.errors import StorageMissing, StorageUnavailable
from storage.reader import Located, Reader
from storage.section import Health, Section, unavailable
from storage.technology import Reads
from storage.unit import UnitState

R = TypeVar("R", bound=Reader)


class Catalogue:
    """What the technologies said at the last `refresh`; nothing before the first. All other methods but `lease` answer
    from memory. A technology that does not answer keeps what it had said, and holds up no other.

    Args:
        technologies: by name, as in a storage's title; each is asked for when it is to be read, which may fail. Whoever
            opened them closes them.
    """

    def __init__(self, technologies: Mapping[str, Reads]) -> None:
        self._sections = {
            name: Section(name, partial(technologies.__getitem__, name), self._list) for name in technologies
        }
        self._listing = Listing([], {})

    async def refresh(self, patience: float | None = None) -> None:
        """Ask every technology again; readers follow names that have moved from their next read on.

        Args:
            patience: seconds to wait for slow ones, whose answers count when they come; None = as long as they take.
        """
        await asyncio.gather(*(section.refresh(patience) for section in self._sections.values()))

    def health(self) -> dict[str, Health]:
        """How each technology answers, by name."""
        return {name: section.health for name, section in self._sections.items()}

    def must_answer(self, names: Iterable[str] | None = None) -> None:
        """Check that these technologies, or all, have answered the last `refresh`.

        Raises:
            StorageUnavailable: one has not; the message says which and why.
        """
        for name in self._sections if names is None else names:
            if name not in self._sections:
                raise StorageUnavailable(f"{name} is not set up here; give its address as `{name}_url`.")
            health = self._sections[name].health
            if health.error is not None or health.answered is None:
                raise unavailable(name, health)

    def reads(self, name: str) -> Reads:
        """One technology's own reads, for browsing.

        Raises:
            StorageUnavailable: it could not be opened, or was not asked yet.
        """
        section = self._sections[name]
        if section.reads is None:
            raise unavailable(name, section.health)
        return section.reads

    async def lease(self, titles: Iterable[str], until_ms: int) -> dict[str, Exception]:
        """Tell the technologies that these versions are read until then, in ms since 1970; see `Reads.lease`.

        Returns:
            by technology's name why it did not take it; empty when all did.
        """
        by_name: dict[str, list[str]] = {}
        for title in titles:
            by_name.setdefault(title.partition("/")[0], []).append(title)
        told = await asyncio.gather(*(self._lease(name, mine, until_ms) for name, mine in by_name.items()))
        return {name: error for name, error in zip(by_name, told, strict=True) if error is not None}

    async def _lease(self, name: str, titles: Sequence[str], until_ms: int) -> Exception | None:
        try:
            await self.reads(name).lease(titles, until_ms)
        except Exception as error:
            return error
        return None

    def _list(self) -> None:
        found: list[Located] = []
        aliases: dict[tuple[str, str, str], Alias] = {}
        for name, section in self._sections.items():
            if section.reads is not None:
                found += [Located(section.reads, item) for item in section.said.descriptors]
            aliases.update({(name, *place): alias for place, alias in section.said.aliases.items()})
        self._listing = Listing(found, aliases)

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

    def states(self) -> dict[str, list[UnitState]]:
        """By storage's title, how far its units are; every storage of a writer shows the same."""
        return {title: units for section in self._sections.values() for title, units in section.said.states.items()}


class Listing:
    """What the technologies have said."""

    def __init__(self, found: Iterable[Located], aliases: Mapping[tuple[str, str, str], Alias]) -> None:
        self.found = sorted(found, key=lambda located: _order(located.descriptor))
        self.aliases = aliases

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
