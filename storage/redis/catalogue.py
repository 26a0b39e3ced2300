"""What describes itself in Redis: descriptors, what names stand for, what is read; changed by compare and swap."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import cast

import redis

from storage.alias import Alias, Name, first
from storage.clock import now_ms
from storage.declaring import settled
from storage.descriptor import Descriptor
from storage.errors import harmless
from storage.leases import leases
from storage.listed import EntryKind, Listed, existing, is_damaged
from storage.redis.keys import ALIASES, LEASES, STORAGES
from storage.redis.pool import Pool, discovering
from storage.redis.scripts import SWAP, run

_STORAGES, _ALIASES = 1, 2
_Change = tuple[int, str, str | bytes, str | bytes]
"""Number of the hash, field, what it must hold and what it is to hold; "" = nothing."""


class RedisCatalogue:
    """The catalogue's side of `Technology`. Each change is one atomic step, tried again when somebody was faster."""

    def __init__(self, pool: Pool, client: redis.Redis) -> None:
        self._pool, self._client = pool, client

    def declare(self, descriptor: Descriptor) -> Descriptor:
        """See `Technology.declare`."""
        while True:
            text = self._text(descriptor)
            before = existing("redis", descriptor.entry, text)
            found = settled(before, descriptor)
            if found == before:
                return found
            changes = [_change(found, text, found)]
            if found.state == "ready" and found.storage not in self._kept(ALIASES):
                changes.append((_ALIASES, found.storage, "", first(found.version, now_ms()).to_json()))
            if self._swap(changes):
                return found

    def listed(self) -> Listed:
        """What there is now."""
        return Listed.of(self._kept(STORAGES).items(), self._kept(ALIASES).items())

    def storages(self) -> list[Descriptor]:
        """See `Technology.storages`."""
        return Listed.of(self._kept(STORAGES).items()).sorted()

    def aliases(self) -> dict[Name, Alias]:
        """See `Technology.aliases`."""
        return dict(Listed.of((), self._kept(ALIASES).items()).aliases)

    def leases(self) -> dict[str, int]:
        """See `Technology.leases`."""
        return leases(self._kept(LEASES).items())

    def release(self, titles: Collection[str]) -> None:
        """See `Technology.release`."""
        if titles:
            with discovering(self._pool):
                self._client.hdel(LEASES, *titles)

    def discard(self, kind: EntryKind, entry: str) -> bool:
        """See `Technology.discard`."""
        key, number = (STORAGES, _STORAGES) if kind == "storage" else (ALIASES, _ALIASES)
        text = self._kept(key).get(entry)
        return text is not None and is_damaged(kind, entry, text) and self._swap([(number, entry, text, "")])

    def point(self, items: Sequence[Descriptor]) -> None:
        """See `Technology.point`."""
        self._move(items, lambda listed: listed.advanced(items, now_ms()))

    def switch(self, items: Sequence[Descriptor]) -> bool:
        """See `Technology.switch`."""
        return self._move(items, lambda listed: listed.switched(items, now_ms()))

    def alter(self, before: Descriptor, wanted: Descriptor) -> bool:
        """See `Technology.alter`."""
        text = self._text(before)
        if text is None or is_damaged("storage", before.entry, text) or Descriptor.of_json(text) != before:
            return False
        return self._swap([_change(before, text, wanted)])

    def forget(self, descriptor: Descriptor) -> None:
        """Remove a descriptor, and the alias that leads to it."""
        while (text := self._text(descriptor)) is not None:
            changes = [_change(descriptor, text, None)]
            names = self._kept(ALIASES)
            alias = Listed.of((), names.items()).aliases.get(descriptor.place)
            if alias is not None and alias.version == descriptor.version:
                changes.append((_ALIASES, descriptor.storage, names[descriptor.storage], ""))
            if self._swap(changes):
                return

    def _text(self, descriptor: Descriptor) -> bytes | None:
        """A descriptor as it is kept: another program may write the same JSON in other letters."""
        with discovering(self._pool):
            return cast("bytes | None", self._client.hget(STORAGES, descriptor.entry))

    def _kept(self, key: str) -> dict[str, bytes]:
        """The entries of a hash as they are kept."""
        with discovering(self._pool):
            found = cast(dict[bytes, bytes], self._client.hgetall(key))
        return {entry.decode(errors="replace"): text for entry, text in found.items()}

    def _move(self, items: Sequence[Descriptor], moved: Callable[[Listed], dict[Name, Alias] | None]) -> bool:
        """Move names, if the versions that they move to are still what they were when that was decided."""
        while True:
            storages, names = self._kept(STORAGES), self._kept(ALIASES)
            found = moved(Listed.of(storages.items(), names.items()))
            if not found:
                return found is not None
            there = [item for item in items if item.place in found]
            changes: list[_Change] = [(_STORAGES, it.entry, storages[it.entry], storages[it.entry]) for it in there]
            for name, alias in found.items():
                changes.append((_ALIASES, "/".join(name), names.get("/".join(name), b""), alias.to_json()))
            if self._swap(changes):
                return True

    def _swap(self, changes: Sequence[_Change]) -> bool:
        with harmless():
            return bool(run(self._pool, SWAP, (STORAGES, ALIASES), *(part for change in changes for part in change)))


def _change(place: Descriptor, text: bytes | None, wanted: Descriptor | None) -> _Change:
    return _STORAGES, place.entry, text or "", "" if wanted is None else wanted.to_json()
