"""Storages as people name them: `popular`, `ranking/popular`, `redis/ranking/popular`, each also with `@3`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from storage.descriptor import Descriptor
from storage.errors import StorageMissing


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
    known = ", ".join("/".join(one) for one in sorted(every)) or "none yet"
    raise StorageMissing(f"There is no storage {text}; there are: {known}.")


def _parts(text: str) -> tuple[tuple[str, ...], int | None]:
    name, mark, version = text.partition("@")
    parts = tuple(name.split("/"))
    if not all(parts) or len(parts) > 3 or (mark and not version.isdecimal()):
        raise StorageMissing(
            f"{text!r} is no storage's name; write name, format/name or technology/format/name, and @3."
        )
    return parts, int(version) if mark else None
