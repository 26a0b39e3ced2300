"""What describes itself in Redis: descriptors, what names stand for, what is read; changed by compare and swap."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import cast

import redis

from storage.alias import Alias, Name, advanced, first, switched
from storage.declaring import settled
from storage.descriptor import Descriptor
from storage.redis_keys import ALIASES, LEASES, STORAGES, aliases, descriptors, leases
from storage.redis_pool import Pool, discovering, harmless
from storage.redis_scripts import SWAP, run

_STORAGES, _ALIASES = 1, 2
_Change = tuple[int, str, str, str]
"""Number of the hash, field, what it must hold and what it is to hold; "" = nothing."""


class RedisCatalogue:
    """The catalogue's side of `Technology`. Each change is one atomic step, tried again when somebody was faster."""

    def __init__(self, pool: Pool, client: redis.Redis) -> None:
        self._pool, self._client = pool, client

    def declare(self, descriptor: Descriptor) -> Descriptor:
        """See `Technology.declare`."""
        while True:
            text = self._text(descriptor)
            existing = None if text is None else Descriptor.of_json(text)
            found = settled(existing, descriptor)
            if found == existing:
                return found
            changes = [_change(found, text, found)]
            if found.state == "ready" and found.place not in self.aliases():
                changes.append((_ALIASES, found.storage, "", first(found.version, _now()).to_json()))
            if self._swap(changes):
                return found

    def storages(self) -> list[Descriptor]:
        """See `Technology.storages`."""
        with discovering(self._pool):
            return descriptors(cast(dict[bytes, bytes], self._client.hgetall(STORAGES)))

    def aliases(self) -> dict[Name, Alias]:
        """See `Technology.aliases`."""
        with discovering(self._pool):
            return aliases(cast(dict[bytes, bytes], self._client.hgetall(ALIASES)))

    def leases(self) -> dict[str, int]:
        """See `Technology.leases`."""
        with discovering(self._pool):
            return leases(cast(dict[bytes, bytes], self._client.hgetall(LEASES)))

    def point(self, items: Sequence[Descriptor]) -> None:
        """See `Technology.point`."""
        self._move(lambda known: advanced(known, items, _now()))

    def switch(self, items: Sequence[Descriptor]) -> None:
        """See `Technology.switch`."""
        self._move(lambda known: switched(known, items, _now()))

    def alter(self, existing: Descriptor, wanted: Descriptor) -> bool:
        """See `Technology.alter`."""
        text = self._text(existing)
        if text is None or Descriptor.of_json(text) != existing:
            return False
        return self._swap([_change(existing, text, wanted)])

    def forget(self, descriptor: Descriptor) -> None:
        """Remove a descriptor, and the alias that leads to it."""
        while (text := self._text(descriptor)) is not None:
            changes = [_change(descriptor, text, None)]
            alias = self._names().get(descriptor.storage)
            if alias is not None and Alias.of_json(alias).version == descriptor.version:
                changes.append((_ALIASES, descriptor.storage, alias, ""))
            if self._swap(changes):
                return

    def _text(self, descriptor: Descriptor) -> str | None:
        """A descriptor as it is kept: another program may write the same JSON in other letters."""
        with discovering(self._pool):
            found = cast("bytes | None", self._client.hget(STORAGES, _field(descriptor)))
        return None if found is None else found.decode()

    def _names(self) -> dict[str, str]:
        """The aliases as they are kept."""
        with discovering(self._pool):
            found = cast(dict[bytes, bytes], self._client.hgetall(ALIASES))
        return {name.decode(): alias.decode() for name, alias in found.items()}

    def _move(self, moved: Callable[[dict[Name, Alias]], dict[Name, Alias]]) -> None:
        while True:
            kept = self._names()
            known = aliases({name.encode(): alias.encode() for name, alias in kept.items()})
            changes = [
                (_ALIASES, "/".join(name), kept.get("/".join(name), ""), alias.to_json())
                for name, alias in moved(known).items()
            ]
            if not changes or self._swap(changes):
                return

    def _swap(self, changes: Sequence[_Change]) -> bool:
        with harmless():
            return bool(run(self._pool, SWAP, (STORAGES, ALIASES), *(part for change in changes for part in change)))


def _change(place: Descriptor, text: str | None, wanted: Descriptor | None) -> _Change:
    return _STORAGES, _field(place), text or "", "" if wanted is None else wanted.to_json()


def _field(descriptor: Descriptor) -> str:
    return f"{descriptor.storage}@{descriptor.version}"


def _now() -> int:
    return time.time_ns() // 1_000_000
