"""Redis as the models service reads it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from copy import copy
from functools import cached_property
from itertools import islice
from typing import Any

from storage.address import Address
from storage.descriptor import Descriptor
from storage.listed import Listed
from storage.reader import Kept
from storage.redis.keys import (
    ALIASES,
    LEASES,
    NEWEST,
    STORAGES,
    UNIT,
    Keys,
    number,
    texts,
    unit_names,
    unit_state,
)
from storage.redis.lookup import NEWEST_OF, SCORES, SUMS, TOP, Question
from storage.redis.shards import shards_of
from storage.redis.source import Source
from storage.technologies import lacking
from storage.technology import Newest
from storage.unit import UnitState

Pair = tuple[str, float]
_PAGE, _LOOKS, _SAMPLE = 1_000, 20, 20
_NO_BUCKETS = Newest()


class RedisReads:
    """One Redis (6.2 or later) or Valkey, by its url; `rediss://` for TLS. One connection for each event loop.

    What is asked for in one tick of the loop travels in one write, whoever asks.

    Attributes:
        source: the connections, and how they are asked.
    """

    def __init__(
        self,
        url: str,
        timeout: float = 1.0,
        taker: Callable[[str], RedisReads | None] | None = None,
        room: int = 0,
    ) -> None:
        """Connects with the first call.

        Args:
            timeout: seconds without an answer until StorageUnavailable.
            taker: by what a node of a cluster says of a row that it has given away, the node that has it already.
            room: bytes of memory for rows that were read, which are given again until Redis says that they have
                changed; see `near.py`. 0 = none is kept.
        """
        self.source = Source(url, timeout, None if taker is None else lambda said: _source(taker(said)), room)

    @cached_property
    def fresh(self) -> RedisReads:
        """The same over the same connections, but every answer is Redis's own."""
        found = copy(self)
        found.source = self.source.fresh()
        return found

    @property
    def kept(self) -> Kept:
        """What is kept near, of all event loops."""
        return self.source.kept

    async def listed(self) -> Listed:
        """See `Reads.listed`."""
        storages, names = await self.source.ask([("HGETALL", STORAGES), ("HGETALL", ALIASES)])
        return Listed.of(texts(storages), texts(names))

    async def slots(self) -> list[Any]:
        """What this node of a cluster says of the cluster's slots; see `slots.py`."""
        [found] = await self.source.ask([("CLUSTER", "SLOTS")])
        return list(found)

    async def lease(self, titles: Collection[str], until_ms: int) -> None:
        """See `Reads.lease`."""
        if titles:
            await self.source.ask([("HSET", LEASES, *(part for title in titles for part in (title, str(until_ms))))])

    async def units(self, descriptor: Descriptor) -> list[UnitState]:
        """See `Reads.units`."""
        found = await self.unit_fields(descriptor, UNIT)
        return [unit_state(descriptor, name, values) for name, values in found.items()]

    async def unit_fields(
        self, descriptor: Descriptor, fields: Sequence[str], shard: int = 0
    ) -> dict[str, list[bytes | None]]:
        """Of each unit's hash in a shard the values of these fields, by unit."""
        keys = Keys.of(descriptor, shard)
        [members] = await self.source.ask([("SMEMBERS", keys.units)])
        names = unit_names(descriptor, members)
        return dict(
            zip(names, await self.source.ask([("HMGET", keys.unit(name), *fields) for name in names]), strict=True)
        )

    async def shards(self, descriptor: Descriptor) -> int | None:
        """Into how many shards a generation goes on a cluster; None = nobody has written it yet."""
        keys = Keys.of(descriptor)
        said, units = await self.source.ask([("HGET", keys.generation, "shards"), ("SMEMBERS", keys.units)])
        return shards_of(said) or (1 if units else None)

    async def newest(self, descriptor: Descriptor) -> Newest:
        """The newest that a storage holds."""
        state = Keys.of(descriptor).storage(descriptor.storage)
        found: list[Newest] = await self.source.look([(NEWEST_OF, state, NEWEST)])
        return found[0]

    async def rows(self, descriptor: Descriptor, keys: Sequence[str], shard: int = 0) -> list[bytes | None]:
        """See `Reads.rows`."""
        if not keys:
            return []
        return await self.source.rows(Keys.of(descriptor, shard).records(descriptor.storage), keys)

    async def sums(self, descriptor: Descriptor, keys: Sequence[str], shard: int = 0) -> list[dict[str, int]]:
        """See `Reads.sums`."""
        of, storage = Keys.of(descriptor, shard), descriptor.storage
        prefix = of.prefix(storage, None)
        return await self.source.look([(SUMS, prefix + key, None) for key in keys])

    async def some_sums(self, descriptor: Descriptor, key: str, size: int, shard: int = 0) -> dict[str, int]:
        """See `Reads.some_sums`. A row with few fields, which Redis keeps packed, comes as a whole."""
        row, cursor = Keys.of(descriptor, shard).row(Address(descriptor.storage, key)), 0
        found: dict[str, int] = {}
        while len(found) < size:
            [(following, pairs)] = await self.source.ask([("HSCAN", row, cursor, "COUNT", size)])
            found |= {field.decode(): int(value) for field, value in zip(pairs[::2], pairs[1::2], strict=True)}
            cursor = int(following)
            if cursor == 0:
                break
        return dict(islice(found.items(), size))

    async def top(
        self, descriptor: Descriptor, rows: Sequence[Address], size: int, shard: int = 0
    ) -> tuple[Newest, list[list[Pair]]]:
        """See `Reads.top`. Only shard 0 knows the newest."""
        keys = Keys.of(descriptor, shard)
        if size < 1:  # the row up to -1 would be all of it
            state, _ = await self._with_newest(keys, rows, [])
            return state, [[] for _ in rows]
        questions: list[Question] = [(TOP, key, size) for key in keys.of_rows(rows)]
        return await self._with_newest(keys, rows, questions)

    async def scores(
        self, descriptor: Descriptor, rows: Sequence[tuple[Address, Sequence[str]]], shard: int = 0
    ) -> tuple[Newest, list[list[float | None]]]:
        """See `Reads.scores`. Only shard 0 knows the newest."""
        keys = Keys.of(descriptor, shard)
        places = keys.of_rows([row for row, _ in rows])
        wanted: list[Question] = [
            (SCORES, place, tuple(members)) for place, (_, members) in zip(places, rows, strict=True) if members
        ]
        state, found = await self._with_newest(keys, [row for row, _ in rows], wanted)
        some = iter(found)
        return state, [next(some) if members else [] for _, members in rows]

    async def nearest(self, descriptor: Descriptor, vector: bytes, size: int) -> list[Pair]:
        """See `Reads.nearest`."""
        raise lacking("redis", "nearest", descriptor.title)

    async def search(self, descriptor: Descriptor, text: str, size: int) -> list[Pair]:
        """See `Reads.search`."""
        raise lacking("redis", "search", descriptor.title)

    async def keys(self, descriptor: Descriptor, size: int, shard: int = 0) -> list[str]:
        """See `Reads.keys`. Looks at the rows that were put, and at a few pages of the database's keys."""
        of, storage = Keys.of(descriptor, shard), descriptor.storage
        [(_, pairs)] = await self.source.ask([("HSCAN", of.records(storage), 0, "COUNT", size)])
        names = dict.fromkeys(key.decode() for key in pairs[::2])
        async for page in self._row_keys(descriptor, shard):
            names.update(dict.fromkeys(of.address(storage, key).key for key in page))
            if len(names) >= size:
                break
        return list(names)[:size]

    async def count(self, descriptor: Descriptor, shard: int = 0) -> int:
        """See `Reads.count`."""
        keys, storage = Keys.of(descriptor, shard), descriptor.storage
        put, added = await self.source.ask([("HLEN", keys.records(storage)), ("HGET", keys.storage(storage), "rows")])
        return int(put) + (number(added) or 0)

    async def size(self, descriptor: Descriptor, shard: int = 0) -> int | None:
        """See `Reads.size`. Of rows of sums and scores: what a few of them take, times how many items there are."""
        records = ("MEMORY", "USAGE", Keys.of(descriptor, shard).records(descriptor.storage))
        [put] = await self.source.ask([records])
        items = await self.count(descriptor, shard)
        if put is not None or not items:
            return put or 0
        async for page in self._row_keys(descriptor, shard):
            if page:
                return await self._weight(page[:_SAMPLE], items)
        return None

    async def close(self) -> None:
        """See `Reads.close`. Closes the connection of the running loop."""
        await self.source.close()

    async def _weight(self, sample: Sequence[bytes], items: int) -> int:
        """What so many items take, judged by some rows."""
        kinds = await self.source.ask([("TYPE", key) for key in sample])
        counting = {b"hash": "HLEN", b"zset": "ZCARD"}
        counted = await self.source.ask([(counting[kind], key) for kind, key in zip(kinds, sample, strict=True)])
        used = await self.source.ask([("MEMORY", "USAGE", key) for key in sample])
        return int(sum(used) * items / max(1, sum(counted)))

    async def _row_keys(self, descriptor: Descriptor, shard: int) -> AsyncIterator[list[bytes]]:
        """Keys of rows of sums and scores, in pages, some of them empty; ends after a few."""
        cursor: Any = 0
        for _ in range(_LOOKS):
            pattern = Keys.of(descriptor, shard).rows(descriptor.storage)
            [(cursor, page)] = await self.source.ask([("SCAN", cursor, "MATCH", pattern, "COUNT", _PAGE)])
            yield page
            if int(cursor) == 0:
                return

    async def _with_newest(
        self, keys: Keys, rows: Sequence[Address], questions: list[Question]
    ) -> tuple[Newest, list[Any]]:
        has_buckets = bool(rows) and rows[0].bucket is not None  # all rows of a ranking, or none
        if has_buckets:
            questions = [(NEWEST_OF, keys.storage(rows[0].storage), NEWEST), *questions]
        values, missing = self.source.given(questions)
        if missing:
            await self.source.fill(questions, values, missing)
        return (values[0], values[1:]) if has_buckets else (_NO_BUCKETS, values)


def _source(reads: RedisReads | None) -> Source | None:
    return None if reads is None else reads.source
