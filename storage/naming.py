"""Storages as people name them: `popular`, `ranking/popular`, `redis/ranking/popular`, each also with `@3`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import SequenceMatcher

from storage.descriptor import Descriptor
from storage.errors import StorageMissing

_VERSION = re.compile(r"[0-9]{1,18}")
"""More digits than that no technology keeps."""
FEW = 3
"""So many storages are named in a message."""
LIKE = 0.6
"""How alike two names must be, from 0 to 1, for one to be meant by the other; as `difflib` has it."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a storage is. `version` is the one that was named; None = none was."""

    technology: str
    format: str
    name: str
    version: int | None = None

    @property
    def title(self) -> str:
        """As people write it: "redis/ranking/trending@3"."""
        return f"{self.storage}{'' if self.version is None else f'@{self.version}'}"

    @property
    def whole(self) -> tuple[str, str, str]:
        """Technology, format and name."""
        return self.technology, self.format, self.name

    @property
    def storage(self) -> str:
        """The same without a version."""
        return f"{self.technology}/{self.format}/{self.name}"


def place(text: str) -> Place:
    """A storage that is named in full: "redis/ranking/trending", "redis/ranking/trending@3".

    Raises:
        StorageMissing: the text is no such name.
    """
    parts, version = _parts(text)
    if len(parts) != 3:
        raise StorageMissing(f"{text!r} names no storage in full; write technology/format/name.")
    return Place(parts[0], parts[1], parts[2], version)


def technology_of(text: str) -> str | None:
    """The technology, where the text names one."""
    parts, _ = _parts(text)
    return parts[0] if len(parts) == 3 else None


def find(descriptors: Iterable[Descriptor], text: str) -> Place:
    """The one storage that a text stands for.

    Raises:
        StorageMissing: there is none, or more than one; the message lists what there is.
    """
    parts, version = _parts(text)
    every = {(item.technology, item.format, item.name) for item in descriptors}
    found = sorted(one for one in every if one[-len(parts) :] == parts)
    if len(found) == 1:
        return Place(*found[0], version)
    if found:
        choices = " or ".join("/".join(one) for one in found)
        raise StorageMissing(f"{text} is the name of several storages; say which: {choices}.")
    raise StorageMissing(f"There is no storage {text}; {instead(text, ['/'.join(one) for one in every])}")


def instead(wanted: str, known: Iterable[str]) -> str:
    """What to say of the storages that there are to somebody who named another one: all if they are few, otherwise
    those whose names are most like it."""
    every = sorted(known)
    if len(every) <= FEW:
        return f"there are: {', '.join(every) or 'none yet'}."
    likeness = {one: _likeness(wanted, one) for one in every}
    close = [one for one in sorted(every, key=lambda one: -likeness[one])[:FEW] if likeness[one] >= LIKE]
    if not close:
        return f"none of the {len(every)} that there are has a name like it; `millrace storages` lists them."
    return f"did you mean {' or '.join(close)}? There are {len(every)}; `millrace storages` lists them."


def _likeness(one: str, other: str) -> float:
    """Of two names, from 0 to 1; that of the storages counts, and what is before it decides where they are alike."""
    names = [text.partition("@")[0].rpartition("/")[2] for text in (one, other)]
    return SequenceMatcher(None, names[0], names[1]).ratio() + SequenceMatcher(None, one, other).ratio() / 100


def _parts(text: str) -> tuple[tuple[str, ...], int | None]:
    name, mark, version = text.partition("@")
    parts, number = tuple(name.split("/")), version_of(version)
    if not all(parts) or len(parts) > 3 or (mark and number is None):
        raise StorageMissing(
            f"{text[:200]!r} is no storage's name; write name, format/name or technology/format/name, and @3."
        )
    return parts, number


def version_of(text: str) -> int | None:
    """A version's number, as it stands behind the @; None if the text is none."""
    return int(text) if _VERSION.fullmatch(text) else None
