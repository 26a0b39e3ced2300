"""Redis as learners write it: rows and fence in one hash slot, each step of the protocol atomic."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import redis

from storage.address import Address
from storage.catalogued import Catalogued
from storage.descriptor import Descriptor
from storage.errors import as_text, harmless
from storage.redis.catalogue import RedisCatalogue
from storage.redis.dump import dumped
from storage.redis.eviction import must_keep
from storage.redis.fenced import code_of, fence, fenced, page_of, pages
from storage.redis.fill import erase, erase_units, expire, fill, trim
from storage.redis.keys import NEWEST, UNIT, Keys, newest, number, unit_name, unit_names, unit_state
from storage.redis.pool import discovering, pool, run_command
from storage.redis.scripts import CLAIM, COMMIT, READ, REMOVE, SHARDS, Script, run
from storage.redis.shards import Others, shards_of
from storage.redis.watched import Puts, put_watched
from storage.redis.writes import fields_by_hash, only_puts, packed, removal
from storage.technologies import must_hold
from storage.technology import Gone, Newest, Row
from storage.unit import Claim, Outcome, UnitId, UnitState, must_fit
from storage.writes import Writes

_PAGE = 1_000


class Redis(Catalogued):
    """One Redis (6.2 or later) or Valkey, by its url; `rediss://` for TLS. Thread-safe: a call holds one connection.

    Rows that were put are the fields of one hash per storage, so that any number of them is written, read and checked
    by one command each. Methods that take shards say it of one node of a cluster; see `cluster.py`.

    Attributes:
        pool: connections to it.
    """

    name = "redis"
    _catalogue: RedisCatalogue

    def __init__(self, url: str, timeout: float = 5.0) -> None:
        """Connects with the first call.

        Args:
            timeout: seconds without an answer after which a call gives up.
        """
        self.pool = pool(url, timeout)
        self._client = redis.Redis(connection_pool=self.pool)
        self._catalogue = RedisCatalogue(self.pool, self._client)

    def declare(self, descriptor: Descriptor) -> Descriptor:
        """See `Technology.declare`."""
        must_hold(self.name, descriptor)
        must_keep(self.pool)
        return self._catalogue.declare(descriptor)

    def fill(
        self, descriptor: Descriptor, writes: Writes, shard: int = 0, buckets: Mapping[str, int] | None = None
    ) -> None:
        """See `Technology.fill`, and `fill`."""
        with discovering(self.pool):
            fill(self._client, descriptor, writes, shard, buckets)

    def erase(self, descriptor: Descriptor) -> None:
        """See `Technology.erase`."""
        last = self.is_last(descriptor)
        if last:
            self.erase_units(descriptor)
        self.erase_rows(descriptor)
        if last:
            self.forget_generation(descriptor)
        self.forget(descriptor)

    def trim(self, descriptor: Descriptor, bucket: int, shards: Collection[int] = (0,)) -> None:
        """See `Technology.trim`. Goes through all keys of the database, in pages that hold nobody up."""
        with harmless(), discovering(self.pool):
            trim(self.pool, self._client, descriptor, bucket, shards)

    def expire(self, descriptor: Descriptor, before: str, shards: Collection[int] = (0,)) -> None:
        """See `Technology.expire`. Goes through all keys of the database, in pages that hold nobody up."""
        with harmless(), discovering(self.pool):
            expire(self.pool, self._client, descriptor, before, shards)

    def remove(
        self, descriptor: Descriptor, claim: Claim | None, gone: Gone, shard: int = 0, epoch: int | None = None
    ) -> None:
        """See `Technology.remove`. One script, in which all of it goes.

        Args:
            epoch: the shard's own, where it is not that of the claim.
        """
        keys = Keys.of(descriptor, shard)
        fence = ("", "") if claim is None else (claim.epoch if epoch is None else epoch, claim.owner)
        unit = keys.units if claim is None else keys.unit(unit_name(claim.unit))
        with harmless():
            reply = run(self.pool, REMOVE, (unit,), *fence, removal(keys, gone))
        if claim is not None and reply[0] == b"FENCED":
            raise fenced(claim.unit)

    def is_last(self, descriptor: Descriptor) -> bool:
        """Whether no other storage of its generation is left."""
        return descriptor.is_last_of(self.storages())

    def erase_units(self, descriptor: Descriptor, shard: int = 0) -> None:
        """Remove all units of a version's generation: nobody can commit any more."""
        with discovering(self.pool):
            erase_units(self._client, descriptor, shard)

    def forget_generation(self, descriptor: Descriptor, shard: int = 0) -> None:
        """Remove what is known of a whole generation in a shard of it."""
        with discovering(self.pool):
            self._client.unlink(Keys.of(descriptor, shard).generation)

    def erase_rows(self, descriptor: Descriptor, shards: Collection[int] = (0,)) -> None:
        """Remove a version's rows."""
        with discovering(self.pool):
            erase(self._client, descriptor, shards)

    def forget(self, descriptor: Descriptor) -> None:
        """Remove a version's descriptor, and the alias that leads to it."""
        self._catalogue.forget(descriptor)

    def slots(self) -> list[Any]:
        """What this node of a cluster says of the cluster's slots; see `slots.py`."""
        return cast(list[Any], run_command(self.pool, "CLUSTER", "SLOTS"))

    def claim(self, unit: UnitId, owner: str) -> Claim:
        """See `Technology.claim`."""
        must_keep(self.pool)
        keys, name = Keys.of(unit), unit_name(unit)
        with harmless():
            reply = run(self.pool, CLAIM, (keys.unit(name), keys.units), owner, name)
        code_of(unit, reply)
        _, epoch, position = reply
        return Claim(unit, epoch, owner, number(position))

    def shards(self, writer: UnitId | Descriptor, wanted: int | None = None) -> int:
        """Into how many shards a generation goes; it is settled now if `wanted` says what a new one is to have."""
        keys = Keys.of(writer)
        with harmless():
            if wanted is not None:
                return shards_of(run(self.pool, SHARDS, (keys.generation, keys.units), wanted)) or 1
            return shards_of(run_command(self.pool, "HGET", keys.generation, "shards")) or 1

    def state(self, claim: Claim) -> tuple[int | None, bytes | None]:
        """Where the unit stands, and what its state says of the other shards' positions.

        Raises:
            Fenced: the claim is not the newest any more.
        """
        unit = Keys.of(claim.unit).unit(unit_name(claim.unit))
        with harmless():
            found = run_command(self.pool, "HMGET", unit, "epoch", "owner", "suspect", "next", "positions")
        epoch, owner, suspect, position, positions = found
        if (epoch, owner) != (str(claim.epoch).encode(), claim.owner.encode()):
            raise fenced(claim.unit)
        if suspect is not None:
            code_of(claim.unit, (b"SUSPECT", suspect))
        return number(position), positions

    def redo(self, unit: UnitId) -> list[bytes]:
        """What the unit's last commits had other shards write, the oldest first."""
        with harmless():
            return list(run_command(self.pool, "LRANGE", Keys.of(unit).redo(unit_name(unit)), 0, -1))

    def read(self, claim: Claim, expected: int | None, rows: Sequence[Address]) -> list[bytes | None]:
        """See `Technology.read`. In pages; each checks the fence, so that all are of one moment."""
        found: list[bytes | None] = []
        for start in range(0, max(1, len(rows)), _PAGE):
            found += self._page(claim, expected, rows[start : start + _PAGE])
        return found

    def commit(
        self,
        claim: Claim,
        expected: int | None,
        new: int,
        writes: Writes,
        watermark_ms: int | None,
        others: Others | None = None,
    ) -> Outcome:
        """See `Technology.commit`. It holds up all else in Redis: 1 us for a record, 1.5 us for an item of a
        wide row, 3 us for a row of one item, and 2 us for a count.

        Args:
            others: where this is the state shard of several.
        """
        must_fit(new)
        with as_text():
            if only_puts(writes) and not (others and others.buckets):
                reply = put_watched(self.pool, _puts(claim, expected, new, writes, watermark_ms, others))
            else:
                reply = self._script(claim, expected, new, writes, watermark_ms, others)
        return Outcome[code_of(claim.unit, reply)]

    def units(self, descriptor: Descriptor) -> list[UnitState]:
        """See `Technology.units`."""
        found = self.unit_fields(descriptor, UNIT)
        return [unit_state(descriptor, name, values) for name, values in found.items()]

    def unit_fields(
        self, descriptor: Descriptor, fields: Sequence[str], shard: int = 0
    ) -> dict[str, list[bytes | None]]:
        """Of each unit's hash in a shard the values of these fields, by unit."""
        keys = Keys.of(descriptor, shard)
        with discovering(self.pool):
            names = unit_names(descriptor, cast(set[bytes], self._client.smembers(keys.units)))
            pipeline = self._client.pipeline(transaction=False)
            for name in names:
                pipeline.hmget(keys.unit(name), list(fields))
            return dict(zip(names, pipeline.execute(), strict=True))

    def newest(self, descriptor: Descriptor) -> Newest:
        """See `Technology.newest`."""
        with discovering(self.pool):
            values = self._client.hmget(Keys.of(descriptor).storage(descriptor.storage), NEWEST)
            return newest(cast(list[bytes | None], values))

    def dump(self, descriptor: Descriptor, shards: Collection[int] = (0,)) -> Iterator[tuple[Address, Row]]:
        """See `Technology.dump`. Goes through all keys of the database, in pages that hold nobody up."""
        with discovering(self.pool):
            yield from dumped(self._client, descriptor, shards)

    def close(self) -> None:
        """See `Technology.close`."""
        self.pool.close()

    def _page(self, claim: Claim, expected: int | None, rows: Sequence[Address]) -> list[bytes | None]:
        keys = Keys.of(claim.unit)
        reply = self._fenced(READ, claim, expected, pages(keys, rows))
        return page_of(claim.unit, expected, rows, reply)

    def _script(
        self,
        claim: Claim,
        expected: int | None,
        new: int,
        writes: Writes,
        watermark_ms: int | None,
        others: Others | None,
    ) -> Any:
        keys, watermark = Keys.of(claim.unit), "" if watermark_ms is None else watermark_ms
        if others is None:
            return self._fenced(COMMIT, claim, expected, new, watermark, *packed(keys, writes, at_once=True))
        numbers, *texts = packed(keys, writes, others.buckets)
        besides = others.positions, others.redo, others.keep
        more = keys.generation, keys.redo(unit_name(claim.unit))
        return self._fenced(COMMIT, claim, expected, new, watermark, numbers, *besides, *texts, keys=more)

    def _fenced(
        self,
        script: Script,
        claim: Claim,
        expected: int | None,
        *arguments: str | bytes | float,
        keys: tuple[str, ...] = (),
    ) -> Any:
        unit = Keys.of(claim.unit).unit(unit_name(claim.unit))
        return run(self.pool, script, (unit, *keys), *fence(claim.epoch, claim.owner, expected), *arguments)


def _puts(
    claim: Claim, expected: int | None, new: int, writes: Writes, watermark_ms: int | None, others: Others | None
) -> Puts:
    keys, name = Keys.of(claim.unit), unit_name(claim.unit)
    puts = Puts(keys.unit(name), claim, expected, new, fields_by_hash(keys, writes.puts), watermark_ms)
    if others is None:
        return puts
    redo = keys.redo(name)
    besides = ("RPUSH", redo, others.redo), ("LTRIM", redo, -others.keep, -1)
    return replace(puts, positions=others.positions, besides=besides)
