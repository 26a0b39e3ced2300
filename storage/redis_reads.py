"""Redis as the models service reads it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from storage.address import Address
from storage.alias import Alias, Name
from storage.descriptor import Descriptor
from storage.errors import StorageError, StorageUnavailable, SuspectGeneration
from storage.redis_connection import Connection
from storage.redis_keys import (
    ALIASES,
    LEASES,
    NEWEST,
    STORAGES,
    UNIT,
    Keys,
    aliases,
    descriptors,
    newest,
    unit_names,
    unit_state,
)
from storage.redis_socket import Command, ReplyError
from storage.technologies import lacking
from storage.technology import Newest
from storage.unit import UnitState

Pair = tuple[str, float]
_PAGE, _LOOKS, _SAMPLE = 1_000, 20, 20


class RedisReads:
    """One Redis (6.2 or later) or Valkey, by its url; `rediss://` for TLS. One connection for each event loop.

    What is asked for in one tick of the loop travels in one write, whoever asks.
    """

    def __init__(self, url: str, timeout: float = 1.0) -> None:
        """Connects with the first call.

        Args:
            timeout: seconds without an answer until StorageUnavailable.
        """
        self._url, self._timeout = url, timeout
        self._connections: WeakKeyDictionary[asyncio.AbstractEventLoop, Connection] = WeakKeyDictionary()

    async def catalogue(self) -> list[Descriptor]:
        """See `Reads.catalogue`."""
        [found] = await self._ask([("HGETALL", STORAGES)])
        return descriptors(found)

    async def aliases(self) -> dict[Name, Alias]:
        """See `Reads.aliases`."""
        [found] = await self._ask([("HGETALL", ALIASES)])
        return aliases(found)

    async def slots(self) -> list[Any]:
        """What this node of a cluster says of the cluster's slots; see `redis_slots.py`."""
        [found] = await self._ask([("CLUSTER", "SLOTS")])
        return list(found)

    async def lease(self, titles: Collection[str], until_ms: int) -> None:
        """See `Reads.lease`."""
        if titles:
            await self._ask([("HSET", LEASES, *(part for title in titles for part in (title, str(until_ms))))])

    async def units(self, descriptor: Descriptor) -> list[UnitState]:
        """See `Reads.units`."""
        keys = Keys.of(descriptor)
        [members] = await self._ask([("SMEMBERS", keys.units)])
        names = unit_names(descriptor, members)
        states = await self._ask([("HMGET", keys.unit(name), *UNIT) for name in names])
        return [unit_state(descriptor, name, values) for name, values in zip(names, states, strict=True)]

    async def rows(self, descriptor: Descriptor, keys: Sequence[str]) -> list[bytes | None]:
        """See `Reads.rows`."""
        if not keys:
            return []
        [found] = await self._ask([("HMGET", Keys.of(descriptor).records(descriptor.storage), *keys)])
        return list(found)

    async def sums(self, descriptor: Descriptor, keys: Sequence[str]) -> list[dict[str, int]]:
        """See `Reads.sums`."""
        of, storage = Keys.of(descriptor), descriptor.storage
        found = await self._ask([("HGETALL", of.row(Address(storage, key))) for key in keys])
        return [{field.decode(): int(value) for field, value in row.items()} for row in found]

    async def top(self, descriptor: Descriptor, rows: Sequence[Address], size: int) -> tuple[Newest, list[list[Pair]]]:
        """See `Reads.top`."""
        keys = Keys.of(descriptor)
        first, last = (0, size - 1) if size > 0 else (1, 0)  # -1 would be the last of all
        wanted = [("ZRANGE", keys.row(row), first, last, "WITHSCORES") for row in rows]
        state, found = await self._with_newest(descriptor, rows, wanted)
        return state, [[(member.decode(), 0.0 - score) for member, score in row] for row in found]

    async def scores(
        self, descriptor: Descriptor, rows: Sequence[tuple[Address, Sequence[str]]]
    ) -> tuple[Newest, list[list[float | None]]]:
        """See `Reads.scores`."""
        keys = Keys.of(descriptor)
        wanted = [("ZMSCORE", keys.row(row), *members) for row, members in rows if members]
        state, found = await self._with_newest(descriptor, [row for row, _ in rows], wanted)
        some = iter(found)
        negated = [next(some) if members else [] for _, members in rows]
        return state, [[None if score is None else 0.0 - score for score in row] for row in negated]

    async def nearest(self, descriptor: Descriptor, vector: bytes, size: int) -> list[Pair]:
        """See `Reads.nearest`."""
        raise lacking("redis", "nearest", descriptor.title)

    async def search(self, descriptor: Descriptor, text: str, size: int) -> list[Pair]:
        """See `Reads.search`."""
        raise lacking("redis", "search", descriptor.title)

    async def keys(self, descriptor: Descriptor, size: int) -> list[str]:
        """See `Reads.keys`. Looks at the rows that were put, and at a few pages of the database's keys."""
        of, storage = Keys.of(descriptor), descriptor.storage
        [(_, pairs)] = await self._ask([("HSCAN", of.records(storage), 0, "COUNT", size)])
        names = dict.fromkeys(key.decode() for key in pairs[::2])
        async for page in self._row_keys(descriptor):
            names.update(dict.fromkeys(of.address(storage, key).key for key in page))
            if len(names) >= size:
                break
        return list(names)[:size]

    async def count(self, descriptor: Descriptor) -> int | None:
        """See `Reads.count`."""
        keys, storage = Keys.of(descriptor), descriptor.storage
        put, added = await self._ask([("HLEN", keys.records(storage)), ("HGET", keys.storage(storage), "rows")])
        return int(put) + int(added or 0)

    async def size(self, descriptor: Descriptor) -> int | None:
        """See `Reads.size`. Of rows of sums and scores: what a few of them take, times how many items there are."""
        records = ("MEMORY", "USAGE", Keys.of(descriptor).records(descriptor.storage))
        [put] = await self._ask([records])
        items = await self.count(descriptor)
        if put is not None or not items:
            return put or 0
        async for page in self._row_keys(descriptor):
            if page:
                return await self._weight(page[:_SAMPLE], items)
        return None

    async def close(self) -> None:
        """See `Reads.close`. Closes the connection of the running loop."""
        await self._connection().close()

    async def _weight(self, sample: Sequence[bytes], items: int) -> int:
        """What so many items take, judged by some rows."""
        kinds = await self._ask([("TYPE", key) for key in sample])
        counting = {b"hash": "HLEN", b"zset": "ZCARD"}
        counted = await self._ask([(counting[kind], key) for kind, key in zip(kinds, sample, strict=True)])
        used = await self._ask([("MEMORY", "USAGE", key) for key in sample])
        return int(sum(used) * items / max(1, sum(counted)))

    async def _row_keys(self, descriptor: Descriptor) -> AsyncIterator[list[bytes]]:
        """Keys of rows of sums and scores, in pages, some of them empty; ends after a few."""
        cursor: Any = 0
        for _ in range(_LOOKS):
            pattern = Keys.of(descriptor).rows(descriptor.storage)
            [(cursor, page)] = await self._ask([("SCAN", cursor, "MATCH", pattern, "COUNT", _PAGE)])
            yield page
            if int(cursor) == 0:
                return

    async def _with_newest(
        self, descriptor: Descriptor, rows: Iterable[Address], commands: Sequence[Command]
    ) -> tuple[Newest, list[Any]]:
        if all(row.bucket is None for row in rows):
            return Newest(), await self._ask(commands)
        state = ("HMGET", Keys.of(descriptor).storage(descriptor.storage), *NEWEST)
        values, *found = await self._ask([state, *commands])
        return newest(values), found

    def _connection(self) -> Connection:
        loop = asyncio.get_running_loop()
        found = self._connections.get(loop)
        if found is None:
            found = self._connections[loop] = Connection(self._url, self._timeout)
        return found

    async def _ask(self, commands: Sequence[Command]) -> list[Any]:
        try:
            return await self._connection().call(*commands)
        except ReplyError as error:
            raise _failure(error) from error


def _failure(error: ReplyError) -> StorageError:
    if str(error).startswith("WRONGTYPE"):
        return SuspectGeneration(f"A row is not of the kind that its writer leaves: {error}")
    return StorageUnavailable(f"Redis refuses to be read: {error}")
