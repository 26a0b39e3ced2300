"""What a technology keeps of its storages, as it was read at one moment. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from storage.alias import Alias, Name, advanced, switched
from storage.descriptor import Descriptor
from storage.errors import EntryDamaged

EntryKind = Literal["storage", "alias"]
Texts = Iterable[tuple[str, object]]
"""Entries and what is kept under them: JSON texts, or whatever another program has written there."""


@dataclass(frozen=True, slots=True)
class Damaged:
    """An entry that cannot be read.

    Attributes:
        kind: what it should be: the descriptor of a version, an alias, or how far the units of a version are.
        entry: what it is kept under: "ranking/popular@2", or of an alias "ranking/popular".
        why: what is wrong with it.
    """

    kind: EntryKind | Literal["units"]
    entry: str
    why: str

    def words(self, technology: str) -> str:
        """What a person is told of it: what it is, and what may be done."""
        if self.kind == "units":
            why = self.why.rstrip(".")
            return f"It cannot be read how far {technology}/{self.entry} is: {why}. Raise its learner's version."
        if self.kind == "alias":
            what = "what the name stands for"
            cure = f"let it stand for a version again: millrace storages switch {technology}/{self.entry}@1"
        else:
            what = "what it is"
            cure = f"delete it: millrace storages delete {technology}/{self.entry} --force"
        return f"{technology}/{self.entry} does not say {what}: {self.why}. Repair it where it is kept, or {cure}"


@dataclass(frozen=True)
class Listed:
    """What there is.

    Attributes:
        descriptors: those that can be read, by their entry.
        aliases: those that can be read.
        damaged: the others.
    """

    descriptors: Mapping[str, Descriptor] = field(default_factory=dict)
    aliases: Mapping[Name, Alias] = field(default_factory=dict)
    damaged: Sequence[Damaged] = ()

    @classmethod
    def of(cls, storages: Texts, aliases: Texts = ()) -> Listed:
        """Of the entries as they are kept."""
        descriptors: dict[str, Descriptor] = {}
        names: dict[Name, Alias] = {}
        damaged: list[Damaged] = []
        for entry, text in storages:
            try:
                descriptors[entry] = descriptor_of(entry, text)
            except EntryDamaged as error:
                damaged.append(Damaged("storage", entry, str(error)))
        for entry, text in aliases:
            format, _, name = entry.partition("/")
            try:
                names[format, name] = Alias.of_json(text)
            except EntryDamaged as error:
                damaged.append(Damaged("alias", entry, str(error)))
        return cls(descriptors, names, sorted(damaged, key=lambda item: (item.entry, item.kind)))

    def sorted(self) -> list[Descriptor]:
        """The descriptors by name and version."""
        return sorted(self.descriptors.values(), key=lambda item: (item.storage, item.version))

    def advanced(self, items: Iterable[Descriptor], now_ms: int) -> dict[Name, Alias]:
        """See `alias.advanced`. A version that is not there stays without its name, and so does one whose name stands
        for what nobody can read: that may be a version that was rolled back to."""
        unknown = {item.entry for item in self.damaged if item.kind == "alias"}
        found = [item for item in items if self._is_ready(item) and item.storage not in unknown]
        return advanced(self.aliases, found, now_ms)

    def switched(self, items: Sequence[Descriptor], now_ms: int) -> dict[Name, Alias] | None:
        """See `alias.switched`; None if one of the versions is not there to be read."""
        return switched(self.aliases, items, now_ms) if all(map(self._is_ready, items)) else None

    def _is_ready(self, item: Descriptor) -> bool:
        found = self.descriptors.get(item.entry)
        return found is not None and (found.state, found.generation) == ("ready", item.generation)


def descriptor_of(entry: str, text: object) -> Descriptor:
    """The descriptor that is kept under an entry. Raises EntryDamaged."""
    found = Descriptor.of_json(text)
    if found.entry != entry:
        raise EntryDamaged(f"it says that it is {found.entry}")
    return found


def existing(technology: str, entry: str, text: object) -> Descriptor | None:
    """The descriptor that is kept under an entry that somebody wants to change; None where there is nothing.

    Raises:
        EntryDamaged: it cannot be read; the message says what to do.
    """
    if text is None:
        return None
    try:
        return descriptor_of(entry, text)
    except EntryDamaged as error:
        raise EntryDamaged(Damaged("storage", entry, str(error)).words(technology)) from None


def is_damaged(kind: EntryKind, entry: str, text: object) -> bool:
    """Whether an entry cannot be read, whatever it holds now."""
    return bool(Listed.of([(entry, text)]).damaged if kind == "storage" else Listed.of((), [(entry, text)]).damaged)
