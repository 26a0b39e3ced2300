"""A Redis Cluster as the models service reads it: each row is asked of the node that has its shard's slot."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import TypeVar

from storage.address import Address
from storage.descriptor import Descriptor
from storage.errors import StorageUnavailable
from storage.listed import Listed
from storage.redis.keys import STORAGES, UNIT_OF_SHARDS, Keys, unit_state
from storage.redis.reads import RedisReads
from storage.redis.shards import reached, shard_of
from storage.redis.slots import Slots, seeds
from storage.technologies import lacking
from storage.technology import Newest
from storage.unit import UnitState

T = TypeVar("T")
R = TypeVar("R")
Pair = tuple[str, float]


class RedisClusterReads:
    """One Redis Cluster by the urls of some of its nodes; per node and event loop one connection."""

    def __init__(self, address: str, timeout: float = 1.0) -> None:
        """Connects with the first call.

        Args:
            timeout: seconds without an answer until StorageUnavailable.
        """
        self._seeds, self._timeout = seeds(address), timeout
        self._nodes: dict[str, RedisReads] = {}
        self._slots: Slots | None = None
        self._known: dict[tuple[str, int, str], int] = {}

    async def listed(self) -> Listed:
        """See `Reads.listed`."""
        return await self._ask(STORAGES, lambda node: node.listed())

    async def lease(self, titles: Collection[str], until_ms: int) -> None:
        """See `Reads.lease`."""
        await self._ask(STORAGES, lambda node: node.lease(titles, until_ms))

    async def units(self, descriptor: Descriptor) -> list[UnitState]:
        """See `Reads.units`. A commit counts when all shards have it."""
        units = await self._of(descriptor, 0, lambda node: node.unit_fields(descriptor, UNIT_OF_SHARDS))
        if not units:
            return []
        others = (await self._all(descriptor, lambda node, shard: node.unit_fields(descriptor, ["next"], shard)))[1:]
        return [
            unit_state(descriptor, name, reached(values, [found.get(name, [None])[0] for found in others]))
            for name, values in units.items()
        ]

    async def rows(self, descriptor: Descriptor, keys: Sequence[str]) -> list[bytes | None]:
        """See `Reads.rows`."""
        return await self._by_key(descriptor, keys, lambda node, part, shard: node.rows(descriptor, part, shard))

    async def sums(self, descriptor: Descriptor, keys: Sequence[str]) -> list[dict[str, int]]:
        """See `Reads.sums`."""
        return await self._by_key(descriptor, keys, lambda node, part, shard: node.sums(descriptor, part, shard))

    async def some_sums(self, descriptor: Descriptor, key: str, size: int) -> dict[str, int]:
        """See `Reads.some_sums`."""

        async def of(node: RedisReads, part: Sequence[str], shard: int) -> list[dict[str, int]]:
            return [await node.some_sums(descriptor, each, size, shard) for each in part]

        return (await self._by_key(descriptor, [key], of))[0]

    async def top(self, descriptor: Descriptor, rows: Sequence[Address], size: int) -> tuple[Newest, list[list[Pair]]]:
        """See `Reads.top`."""

        async def of(node: RedisReads, part: Sequence[Address], shard: int) -> list[list[Pair]]:
            return (await node.top(descriptor, part, size, shard))[1]

        reading = self._by_row(descriptor, rows, lambda row: row, of)
        return await self._with_newest(descriptor, rows, reading)

    async def scores(
        self, descriptor: Descriptor, rows: Sequence[tuple[Address, Sequence[str]]]
    ) -> tuple[Newest, list[list[float | None]]]:
        """See `Reads.scores`."""

        async def of(
            node: RedisReads, part: Sequence[tuple[Address, Sequence[str]]], shard: int
        ) -> list[list[float | None]]:
            return (await node.scores(descriptor, part, shard))[1]

        reading = self._by_row(descriptor, rows, lambda row: row[0], of)
        return await self._with_newest(descriptor, [row for row, _ in rows], reading)

    async def nearest(self, descriptor: Descriptor, vector: bytes, size: int) -> list[Pair]:
        """See `Reads.nearest`."""
        raise lacking("redis", "nearest", descriptor.title)

    async def search(self, descriptor: Descriptor, text: str, size: int) -> list[Pair]:
        """See `Reads.search`."""
        raise lacking("redis", "search", descriptor.title)

    async def keys(self, descriptor: Descriptor, size: int) -> list[str]:
        """See `Reads.keys`."""
        found: dict[str, None] = {}
        for shard in range(await self._shards(descriptor)):
            found.update(dict.fromkeys(await self._keys(descriptor, size, shard)))
            if len(found) >= size:
                break
        return list(found)[:size]

    async def count(self, descriptor: Descriptor) -> int | None:
        """See `Reads.count`."""
        return sum(await self._all(descriptor, lambda node, shard: node.count(descriptor, shard)))

    async def size(self, descriptor: Descriptor) -> int | None:
        """See `Reads.size`."""
        found = await self._all(descriptor, lambda node, shard: node.size(descriptor, shard))
        known = [size for size in found if size is not None]
        return sum(known) if len(known) == len(found) else None

    async def close(self) -> None:
        """See `Reads.close`. Closes the connections of the running loop."""
        for node in self._nodes.values():
            await node.close()

    async def _by_key(
        self,
        descriptor: Descriptor,
        keys: Sequence[str],
        read: Callable[[RedisReads, Sequence[str], int], Awaitable[list[T]]],
    ) -> list[T]:
        return await self._by_row(descriptor, keys, lambda key: Address(descriptor.storage, key), read)

    async def _by_row(
        self,
        descriptor: Descriptor,
        rows: Sequence[R],
        address: Callable[[R], Address],
        read: Callable[[RedisReads, Sequence[R], int], Awaitable[list[T]]],
    ) -> list[T]:
        """What is read of each row, in their order; all shards are asked at once."""

        async def of(shard: int, part: Sequence[R]) -> list[T]:
            return await self._of(descriptor, shard, lambda node: read(node, part, shard))

        shards = await self._shards(descriptor)
        places = [shard_of(address(row).key, shards) if shards > 1 else 0 for row in rows]
        if len(set(places)) == 1:  # mostly: a task of its own costs more than the read
            return await of(places[0], rows)
        parts: dict[int, list[R]] = {}
        for shard, row in zip(places, rows, strict=True):
            parts.setdefault(shard, []).append(row)
        asked = [of(shard, part) for shard, part in parts.items()]
        found = dict(zip(parts, map(iter, await asyncio.gather(*asked)), strict=True))
        return [next(found[shard]) for shard in places]

    async def _with_newest(
        self, descriptor: Descriptor, rows: Sequence[Address], reading: Awaitable[T]
    ) -> tuple[Newest, T]:
        """What is read of rows, and the newest that the state shard knows, which may be ahead by one commit."""
        if all(row.bucket is None for row in rows):
            return Newest(), await reading
        newest, found = await asyncio.gather(self._of(descriptor, 0, lambda node: node.newest(descriptor)), reading)
        return newest, found

    async def _all(self, descriptor: Descriptor, read: Callable[[RedisReads, int], Awaitable[T]]) -> list[T]:
        """What is read of each shard."""

        async def of(shard: int) -> T:
            return await self._of(descriptor, shard, lambda node: read(node, shard))

        return list(await asyncio.gather(*map(of, range(await self._shards(descriptor)))))

    async def _keys(self, descriptor: Descriptor, size: int, shard: int) -> list[str]:
        return await self._of(descriptor, shard, lambda node: node.keys(descriptor, size, shard))

    async def _shards(self, descriptor: Descriptor) -> int:
        """Into how many shards its generation goes, which never changes; another of its number is created anew."""
        generation = descriptor.learner, descriptor.generation, descriptor.created
        known = self._known.get(generation)
        if known is None:
            found = await self._of(descriptor, 0, lambda node: node.shards(descriptor))
            if found is None:
                return 1  # and whoever writes it first says it
            known = self._known[generation] = found
        return known

    async def _of(self, descriptor: Descriptor, shard: int, call: Callable[[RedisReads], Awaitable[T]]) -> T:
        return await self._ask(Keys.of(descriptor, shard).units, call)

    async def _ask(self, key: str, call: Callable[[RedisReads], Awaitable[T]]) -> T:
        """From the node that has the key. One that has given it away says so, and the next one is asked, once."""
        for left in (1, 0):
            slots = self._slots or await self._mapped()
            url = slots.node(key)
            try:
                if url is None:
                    raise StorageUnavailable("No node of the Redis Cluster serves this slot now.")
                return await call(self._opened(url))
            except StorageUnavailable as error:
                if not slots.learn(error.__cause__):
                    self._slots = None
                if not left:
                    raise
        raise AssertionError("unreachable")

    async def _mapped(self) -> Slots:
        problem = StorageUnavailable("The url of the Redis Cluster names no node.")
        for url in dict.fromkeys([*self._nodes, *self._seeds]):
            try:
                self._slots = Slots(await self._opened(url).slots(), url)
                return self._slots
            except StorageUnavailable as error:
                problem = error
        raise problem

    def _opened(self, url: str) -> RedisReads:
        found = self._nodes.get(url)
        if found is None:
            found = self._nodes[url] = RedisReads(url, self._timeout, self._taker)
        return found

    def _taker(self, said: str) -> RedisReads | None:
        """See `RedisReads`."""
        url = None if self._slots is None else self._slots.asked(said)
        return None if url is None else self._opened(url)
