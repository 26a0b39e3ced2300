"""A Redis Cluster as the models service reads it: each read goes to the node that has the storage's slot."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import TypeVar

from storage.address import Address
from storage.alias import Alias, Name
from storage.descriptor import Descriptor
from storage.errors import StorageUnavailable
from storage.redis_keys import STORAGES, Keys
from storage.redis_reads import RedisReads
from storage.redis_slots import Slots, seeds
from storage.technologies import lacking
from storage.technology import Newest
from storage.unit import UnitState

T = TypeVar("T")
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

    async def catalogue(self) -> list[Descriptor]:
        """See `Reads.catalogue`."""
        return await self._ask(STORAGES, lambda node: node.catalogue())

    async def aliases(self) -> dict[Name, Alias]:
        """See `Reads.aliases`."""
        return await self._ask(STORAGES, lambda node: node.aliases())

    async def lease(self, titles: Collection[str], until_ms: int) -> None:
        """See `Reads.lease`."""
        await self._ask(STORAGES, lambda node: node.lease(titles, until_ms))

    async def units(self, descriptor: Descriptor) -> list[UnitState]:
        """See `Reads.units`."""
        return await self._of(descriptor, lambda node: node.units(descriptor))

    async def rows(self, descriptor: Descriptor, keys: Sequence[str]) -> list[bytes | None]:
        """See `Reads.rows`."""
        return await self._of(descriptor, lambda node: node.rows(descriptor, keys))

    async def sums(self, descriptor: Descriptor, keys: Sequence[str]) -> list[dict[str, int]]:
        """See `Reads.sums`."""
        return await self._of(descriptor, lambda node: node.sums(descriptor, keys))

    async def top(self, descriptor: Descriptor, rows: Sequence[Address], size: int) -> tuple[Newest, list[list[Pair]]]:
        """See `Reads.top`."""
        return await self._of(descriptor, lambda node: node.top(descriptor, rows, size))

    async def scores(
        self, descriptor: Descriptor, rows: Sequence[tuple[Address, Sequence[str]]]
    ) -> tuple[Newest, list[list[float | None]]]:
        """See `Reads.scores`."""
        return await self._of(descriptor, lambda node: node.scores(descriptor, rows))

    async def nearest(self, descriptor: Descriptor, vector: bytes, size: int) -> list[Pair]:
        """See `Reads.nearest`."""
        raise lacking("redis", "nearest", descriptor.title)

    async def search(self, descriptor: Descriptor, text: str, size: int) -> list[Pair]:
        """See `Reads.search`."""
        raise lacking("redis", "search", descriptor.title)

    async def keys(self, descriptor: Descriptor, size: int) -> list[str]:
        """See `Reads.keys`."""
        return await self._of(descriptor, lambda node: node.keys(descriptor, size))

    async def count(self, descriptor: Descriptor) -> int | None:
        """See `Reads.count`."""
        return await self._of(descriptor, lambda node: node.count(descriptor))

    async def size(self, descriptor: Descriptor) -> int | None:
        """See `Reads.size`."""
        return await self._of(descriptor, lambda node: node.size(descriptor))

    async def close(self) -> None:
        """See `Reads.close`. Closes the connections of the running loop."""
        for node in self._nodes.values():
            await node.close()

    async def _of(self, descriptor: Descriptor, call: Callable[[RedisReads], Awaitable[T]]) -> T:
        return await self._ask(Keys.of(descriptor).units, call)

    async def _ask(self, key: str, call: Callable[[RedisReads], Awaitable[T]]) -> T:
        """From the node that has the key. One that has given it away says so, and the next one is asked, once."""
        for left in (1, 0):
            slots = self._slots or await self._mapped()
            url = slots.node(key)
            try:
                if url is None:
                    raise StorageUnavailable("No node of the Redis Cluster serves this slot now.")
                return await call(self._opened(url))
            except StorageUnavailable:
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
            found = self._nodes[url] = RedisReads(url, self._timeout)
        return found
