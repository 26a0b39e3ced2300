"""A Redis Cluster as learners write it: a generation's rows are spread over some slots, its shards; see `shards.py`.

Each call goes to the node that has its slot; see `nodes.py`. The catalogue is in a slot of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TypeVar

from storage.address import Address
from storage.alias import Alias, Name
from storage.compound import split
from storage.descriptor import Descriptor
from storage.errors import as_text
from storage.listed import Damaged, EntryKind
from storage.redis.eviction import must_keep
from storage.redis.fill import newest_buckets
from storage.redis.keys import STORAGES, UNIT_OF_SHARDS, Keys, unit_state
from storage.redis.nodes import Nodes
from storage.redis.redis import Redis
from storage.redis.sharded import Sharded
from storage.redis.shards import MOST_SHARDS, SHARDS, has_rows, home, reached
from storage.redis.slots import wanted_shards
from storage.technology import Gone, Newest, Row
from storage.unit import Claim, Outcome, UnitId, UnitState
from storage.writes import Writes

T = TypeVar("T")


class RedisCluster:
    """One Redis Cluster by the urls of some of its nodes. Thread-safe."""

    name = "redis"

    def __init__(self, address: str, timeout: float = 5.0) -> None:
        """Connects with the first call.

        Args:
            timeout: seconds without an answer after which a call gives up.
        """
        self._shards = wanted_shards(address, SHARDS, MOST_SHARDS)
        self._nodes = Nodes(address, timeout)
        self._units = Sharded(self._nodes, self._shards)

    def declare(self, descriptor: Descriptor) -> Descriptor:
        """See `Technology.declare`."""
        with self._nodes.learning():
            for node in self._nodes.every():
                must_keep(node.pool)
        return self._ask(STORAGES, lambda node: node.declare(descriptor))

    def storages(self) -> list[Descriptor]:
        """See `Technology.storages`."""
        return self._ask(STORAGES, lambda node: node.storages())

    def aliases(self) -> dict[Name, Alias]:
        """See `Technology.aliases`."""
        return self._ask(STORAGES, lambda node: node.aliases())

    def damaged(self) -> list[Damaged]:
        """See `Technology.damaged`."""
        return self._ask(STORAGES, lambda node: node.damaged())

    def discard(self, kind: EntryKind, entry: str) -> bool:
        """See `Technology.discard`."""
        return self._ask(STORAGES, lambda node: node.discard(kind, entry))

    def point(self, descriptors: Sequence[Descriptor]) -> None:
        """See `Technology.point`."""
        self._ask(STORAGES, lambda node: node.point(descriptors))

    def switch(self, descriptors: Sequence[Descriptor]) -> bool:
        """See `Technology.switch`."""
        return self._ask(STORAGES, lambda node: node.switch(descriptors))

    def alter(self, existing: Descriptor, wanted: Descriptor) -> bool:
        """See `Technology.alter`."""
        return self._ask(STORAGES, lambda node: node.alter(existing, wanted))

    def leases(self) -> dict[str, int]:
        """See `Technology.leases`."""
        return self._ask(STORAGES, lambda node: node.leases())

    def release(self, titles: Collection[str]) -> None:
        """See `Technology.release`."""
        self._ask(STORAGES, lambda node: node.release(titles))

    def fill(self, descriptor: Descriptor, writes: Writes) -> None:
        """See `Technology.fill`."""
        shards = self._ask(_place(descriptor), lambda node: node.shards(descriptor, self._shards))
        with as_text():
            shares = split(writes, home(shards), shards)
        buckets = newest_buckets(writes)
        for shard, share in enumerate(shares):
            if has_rows(share) or not shard:
                with self._nodes.at(_place(descriptor, shard)) as node:
                    node.fill(descriptor, share, shard, {} if shard else buckets)

    def erase(self, descriptor: Descriptor) -> None:
        """See `Technology.erase`."""
        last = self._ask(STORAGES, lambda node: node.is_last(descriptor))
        shards = self._number(descriptor)
        for shard in range(shards) if last else ():  # the state shard first: nothing is committed without it
            with self._nodes.at(_place(descriptor, shard)) as node:
                node.erase_units(descriptor, shard)
        for node, mine in self._holders(descriptor, shards):
            with self._nodes.learning():
                node.erase_rows(descriptor, mine)
        for shard in reversed(range(shards) if last else ()):  # what says how many there are goes last
            with self._nodes.at(_place(descriptor, shard)) as node:
                node.forget_generation(descriptor, shard)
        self._ask(STORAGES, lambda node: node.forget(descriptor))

    def trim(self, descriptor: Descriptor, bucket: int) -> None:
        """See `Technology.trim`."""
        for node, shards in self._holders(descriptor, self._number(descriptor)):
            with self._nodes.learning():
                node.trim(descriptor, bucket, shards)

    def expire(self, descriptor: Descriptor, before: str) -> None:
        """See `Technology.expire`."""
        for node, shards in self._holders(descriptor, self._number(descriptor)):
            with self._nodes.learning():
                node.expire(descriptor, before, shards)

    def remove(self, descriptor: Descriptor, claim: Claim | None, gone: Gone) -> None:
        """See `Technology.remove`."""
        self._units.remove(descriptor, claim, gone)

    def claim(self, unit: UnitId, owner: str) -> Claim:
        """See `Technology.claim`."""
        return self._units.claim(unit, owner)

    def read(self, claim: Claim, expected: int | None, rows: Sequence[Address]) -> list[bytes | None]:
        """See `Technology.read`."""
        return self._units.read(claim, expected, rows)

    def commit(self, claim: Claim, expected: int | None, new: int, writes: Writes, watermark_ms: int | None) -> Outcome:
        """See `Technology.commit`."""
        return self._units.commit(claim, expected, new, writes, watermark_ms)

    def units(self, descriptor: Descriptor) -> list[UnitState]:
        """See `Technology.units`. A commit counts when all shards have it."""
        units = self._ask(_place(descriptor), lambda node: node.unit_fields(descriptor, UNIT_OF_SHARDS))
        others = [self._nexts(descriptor, shard) for shard in range(1, self._number(descriptor))] if units else []
        return [
            unit_state(descriptor, name, reached(values, [nexts.get(name) for nexts in others]))
            for name, values in units.items()
        ]

    def newest(self, descriptor: Descriptor) -> Newest:
        """See `Technology.newest`."""
        return self._ask(_place(descriptor), lambda node: node.newest(descriptor))

    def dump(self, descriptor: Descriptor) -> Iterator[tuple[Address, Row]]:
        """See `Technology.dump`."""
        for node, shards in self._holders(descriptor, self._number(descriptor)):
            with self._nodes.learning():
                yield from node.dump(descriptor, shards)

    def close(self) -> None:
        """See `Technology.close`."""
        self._nodes.close()

    def _ask(self, key: str, call: Callable[[Redis], T]) -> T:
        with self._nodes.at(key) as node:
            return call(node)

    def _nexts(self, descriptor: Descriptor, shard: int) -> dict[str, bytes | None]:
        """Where each unit is in a shard."""
        with self._nodes.at(_place(descriptor, shard)) as node:
            return {name: values[0] for name, values in node.unit_fields(descriptor, ["next"], shard).items()}

    def _number(self, descriptor: Descriptor) -> int:
        return self._ask(_place(descriptor), lambda node: node.shards(descriptor))

    def _holders(self, descriptor: Descriptor, shards: int) -> list[tuple[Redis, list[int]]]:
        """Each node that has some of the shards, and which: a pass over all keys of a node is done once for all."""
        found: dict[str, list[int]] = {}
        for shard in range(shards):
            found.setdefault(self._nodes.url(_place(descriptor, shard)), []).append(shard)
        return [(self._nodes.node(_place(descriptor, mine[0])), mine) for mine in found.values()]


def _place(writer: UnitId | Descriptor, shard: int = 0) -> str:
    """A key in the slot of a shard."""
    return Keys.of(writer, shard).units
