"""Which storages there are, found by asking the technologies themselves, and readers that follow their names."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import TypeVar
from weakref import WeakSet

from schemas import Record
from storage.alias import Alias, Name
from storage.descriptor import Descriptor
from storage.errors import StorageMissing, StorageUnavailable
from storage.naming import instead, version_of
from storage.reader import Kept, Located, Reader
from storage.section import Health, Said, Section, unavailable
from storage.technology import Reads
from storage.unit import UnitState

R = TypeVar("R", bound=Reader)


class Catalogue:
    """What the technologies said at the last `refresh`; nothing before the first. All other methods but `hold` answer
    from memory. What its readers read is leased before they do. A technology that does not answer keeps what it had
    said, and holds up no other.

    Args:
        technologies: by name, as in a storage's title; each is asked for when it is to be read, which may fail. Whoever
            opened them closes them.
        placed: where storages live of which there are several in several technologies: "popular", or
            "ranking/popular", or "default" -> technology.
    """

    def __init__(self, technologies: Mapping[str, Reads], placed: Mapping[str, str] = MappingProxyType({})) -> None:
        self._sections = {
            name: Section(name, partial(technologies.__getitem__, name), self._list, self._followed)
            for name in technologies
        }
        self._names: WeakSet[_Name] = WeakSet()
        self._placed = placed
        self._listing = Listing([], {}, (), placed)

    async def refresh(self, patience: float | None = None) -> None:
        """Ask every technology again; readers follow names that have moved from their next read on.

        Args:
            patience: seconds to wait for slow ones, whose answers count when they come; None = as long as they take.
        """
        await asyncio.gather(*(section.refresh(patience) for section in self._sections.values()))

    async def hold(self, patience: float | None = None) -> None:
        """Ask again where a reader was made since, so that its first read does not wait for the lease.

        Args:
            patience: see `refresh`.
        """
        await asyncio.gather(*(section.refresh(patience) for section in self._sections.values() if section.wanted))

    def place(self, placed: Mapping[str, str]) -> None:
        """Say anew where storages live of which there are several."""
        self._placed = placed
        self._list()

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

    def kept(self) -> dict[str, Kept]:
        """What is kept near the readers, by technology; only of those that keep anything."""
        found = {name: getattr(section.reads, "kept", None) for name, section in self._sections.items()}
        return {name: kept for name, kept in found.items() if kept is not None}

    def _list(self) -> None:
        self._listing = Listing.of(self._told(), self._placed)

    def _told(self) -> dict[str, tuple[Reads | None, Said]]:
        return {name: (section.reads, section.said) for name, section in self._sections.items()}

    def _followed(self, technology: str, said: Said) -> dict[str, Descriptor]:
        """By title, the versions of a technology that readers will read by what it has said now."""
        places = {name.place for name in self._names}
        told = {**self._told(), technology: (self._sections[technology].reads, said)}
        listing, found = Listing.of(told, self._placed, places), dict[str, Descriptor]()
        for name in self._names:
            with suppress(StorageMissing):
                item = name.located(listing).descriptor
                if item.technology == technology:
                    found[item.title] = item
        return found

    def storages(self) -> list[Descriptor]:
        """Every version of every storage, by technology, format, name and version."""
        return [located.descriptor for located in self._listing.found]

    def damaged(self) -> list[str]:
        """One sentence for each entry of a technology that cannot be read: what it is, why, and what may be done."""
        return [item.words(name) for name, section in self._sections.items() for item in section.said.damaged]

    def alias(self, descriptor: Descriptor) -> Alias | None:
        """What the storage's name stands for; None = no version of it is ready."""
        return self._listing.aliases.get((descriptor.technology, descriptor.format, descriptor.name))

    def find(self, format: str, name: str, version: int | None = None, technology: str | None = None) -> Descriptor:
        """The storage that a name stands for.

        Args:
            name: also "popular@3", "redis/ranking/popular" or "redis/ranking/popular@3", which say more.
            version: None = the one that the name's alias points to.

        Raises:
            StorageMissing: there is none, or one in several technologies without a reason to prefer one (where it is
                placed, then what somebody writes, then the default), or the name stands for what is not there. The
                message lists what exists.
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
        wanted = _Name(kind.format, name, version, technology)
        self._names.add(wanted)
        seen: Listing | None = None
        located: Located

        def locate() -> Located:
            nonlocal seen, located
            if seen is not self._listing:
                listing = self._listing
                located = self._held(wanted.located(listing))
                seen = listing
            return located

        return kind(locate, record)

    def _held(self, found: Located) -> Located:
        """The same; of a version that is not held yet what its first read waits for comes before."""
        section = self._sections[found.descriptor.technology]
        if section.holds(found.descriptor):
            return found
        section.wanted = True
        return Located(section.holding, found.descriptor)

    def states(self) -> dict[str, list[UnitState]]:
        """By storage's title, how far its units are; every storage of a writer shows the same."""
        return {title: units for section in self._sections.values() for title, units in section.said.states.items()}


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True)
class _Name:
    """What a reader follows, for as long as there is that reader; see `Catalogue.reader`."""

    format: str
    name: str
    version: int | None
    technology: str | None

    @property
    def place(self) -> Name:
        return self.format, _parts(self.format, self.name)[1]

    def located(self, listing: Listing) -> Located:
        """What it stands for. Raises StorageMissing."""
        return listing.find(self.format, self.name, self.version, self.technology)


class Listing:
    """What the technologies have said.

    Args:
        unread: titles without version of the names whose alias cannot be read.
        placed: see `Catalogue`.
    """

    def __init__(
        self,
        found: Iterable[Located],
        aliases: Mapping[tuple[str, str, str], Alias],
        unread: Collection[str],
        placed: Mapping[str, str],
    ) -> None:
        self.found = sorted(found, key=lambda located: _order(located.descriptor))
        self.aliases, self._unread, self._placed = aliases, unread, placed

    @classmethod
    def of(
        cls,
        told: Mapping[str, tuple[Reads | None, Said]],
        placed: Mapping[str, str],
        places: Collection[Name] | None = None,
    ) -> Listing:
        """Of what each technology has said; one that could not be opened says nothing.

        Args:
            places: of these storages alone, by format and name.
        """
        found: list[Located] = []
        aliases: dict[tuple[str, str, str], Alias] = {}
        unread: set[str] = set()
        for name, (reads, said) in told.items():
            if reads is not None:
                found += [Located(reads, it) for it in said.descriptors if places is None or it.place in places]
            aliases.update({(name, *place): alias for place, alias in said.aliases.items()})
            unread |= {f"{name}/{item.entry}" for item in said.damaged if item.kind == "alias"}
        return cls(found, aliases, unread, placed)

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
        if there:
            technology = self._home([located.descriptor for located in there])
            there = [located for located in there if located.descriptor.technology == technology]
        if there and version is None:
            return self._named(there)
        for located in there:
            if located.descriptor.version == version:
                return located
        wanted = f"{f'{technology}/' if technology else ''}{format}/{plain}"
        raise StorageMissing(self._why(wanted, version, [item.descriptor for item in named], technology))

    def _why(self, wanted: str, version: int | None, named: Sequence[Descriptor], technology: str | None) -> str:
        """Why there is no such storage, or no such version of it."""
        same = [item for item in named if technology in (None, item.technology)]
        loading = [item for item in same if item.state == "filling" and version in (None, item.version)]
        if loading:
            return f"{loading[-1].title} is being loaded; it can be read when all of it is there."
        ready = ", ".join(f"@{item.version}" for item in same if item.state == "ready")
        if version is not None and ready:
            return f"{wanted} has no version @{version}; it has {ready}."
        at = "" if version is None else f"@{version}"
        known = (located.descriptor.title for located in self.found)
        return f"{wanted}{at} does not exist; {instead(wanted, known)}"

    def _home(self, found: Sequence[Descriptor]) -> str:
        """The technology of a name that may be in several: where it is placed, then where somebody writes it."""
        storage, name = found[0].storage, found[0].name
        every = sorted({item.technology for item in found})
        written = sorted({item.technology for item in found if item.writer})
        placed, default = self._placed.get(storage) or self._placed.get(name), self._placed.get("default")
        for likely in ([item for item in every if item == placed], every, written):
            if len(likely) == 1:
                return likely[0]
        if default in written:
            return default
        choices = " or ".join(f'"{technology}"' for technology in every)
        raise StorageMissing(
            f"{storage} exists in several technologies; say which is meant: in product.toml, {name} = {choices} below "
            f'[storages], or where it is read, "{every[0]}/{storage}".'
        )

    def _named(self, there: Sequence[Located]) -> Located:
        """Of the versions of one storage that can be read the one that its name stands for, or has stood for before;
        the newest if it has never stood for any. Never one that nobody has let it stand for."""
        first = there[0].descriptor
        alias = self.aliases.get((first.technology, *first.place))
        if alias is None and f"{first.technology}/{first.storage}" not in self._unread:
            return there[-1]
        for version in () if alias is None else (alias.version, alias.previous):
            for located in there:
                if located.descriptor.version == version:
                    return located
        wrong = "what cannot be read" if alias is None else f"@{alias.version}, which is not there"
        ready = ", ".join(f"@{located.descriptor.version}" for located in there)
        title = f"{first.technology}/{first.storage}"
        raise StorageMissing(
            f"{title} stands for {wrong}; ready are: {ready}. Choose one: millrace storages switch {title}@..."
        )


def _order(descriptor: Descriptor) -> tuple[str, str, str, int]:
    return descriptor.technology, descriptor.format, descriptor.name, descriptor.version


def _name(descriptor: Descriptor) -> tuple[str, str]:
    return descriptor.format, descriptor.name


def _parts(format: str, name: str) -> tuple[str | None, str, int | None]:
    """Technology, plain name and version in what may be a storage's whole title."""
    title, mark, version = name.partition("@")
    technology, _, plain = title.rpartition(f"/{format}/")
    if mark and version_of(version) is None:
        return None, name, None  # no version has such a number, so that nothing is found under the whole text
    return technology or None, plain, version_of(version)
