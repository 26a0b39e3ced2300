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
            existing = self._descriptor(descriptor)
            found = settled(existing, descriptor)
            if found == existing:
                return found
            changes = [_change(found, existing, found)]
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
        return self._swap([_change(existing, existing, wanted)])

    def forget(self, descriptor: Descriptor) -> None:
        """Remove a descriptor, and the alias that leads to it."""
        while (existing := self._descriptor(descriptor)) is not None:
            changes = [_change(existing, existing, None)]
            alias = self.aliases().get(descriptor.place)
            if alias is not None and alias.version == descriptor.version:
                changes.append((_ALIASES, descriptor.storage, alias.to_json(), ""))
            if self._swap(changes):
                return

    def _descriptor(self, descriptor: Descriptor) -> Descriptor | None:
        with discovering(self._pool):
            found = cast("bytes | None", self._client.hget(STORAGES, _field(descriptor)))
        return None if found is None else Descriptor.of_json(found)

    def _move(self, moved: Callable[[dict[Name, Alias]], dict[Name, Alias]]) -> None:
        while True:
            known = self.aliases()
            changes = [
                (_ALIASES, "/".join(name), known[name].to_json() if name in known else "", alias.to_json())
                for name, alias in moved(known).items()
            ]
            if not changes or self._swap(changes):
                return

    def _swap(self, changes: Sequence[_Change]) -> bool:
        with harmless():
            return bool(run(self._pool, SWAP, (STORAGES, ALIASES), *(part for change in changes for part in change)))


def _change(place: Descriptor, existing: Descriptor | None, wanted: Descriptor | None) -> _Change:
    return _STORAGES, _field(place), _text(existing), _text(wanted)


def _field(descriptor: Descriptor) -> str:
    return f"{descriptor.storage}@{descriptor.version}"


def _text(descriptor: Descriptor | None) -> str:
    return "" if descriptor is None else descriptor.to_json()


def _now() -> int:
    return time.time_ns() // 1_000_000
