"""A Redis Cluster as learners write it: a generation's rows and fences are in one slot, so that one node has them.

Each call goes to the node that has its slot, over a plain connection of its own. A node that has given the slot away
refuses, which changes nothing; the cluster's map is asked for again, and the caller tries again as after any refusal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from threading import Lock
from typing import TypeVar

from storage.address import Address
from storage.alias import Alias, Name
from storage.descriptor import Descriptor
from storage.errors import StorageUnavailable, UnknownOutcome
from storage.redis import Redis
from storage.redis_keys import STORAGES, Keys
from storage.redis_slots import Slots, seeds
from storage.technology import Newest, Row
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
        self._seeds, self._timeout = seeds(address), timeout
        self._lock = Lock()
        self._nodes: dict[str, Redis] = {}
        self._slots: Slots | None = None
        self._closed = False

    def declare(self, descriptor: Descriptor) -> Descriptor:
        """See `Technology.declare`."""
        return self._ask(STORAGES, lambda node: node.declare(descriptor))

    def storages(self) -> list[Descriptor]:
        """See `Technology.storages`."""
        return self._ask(STORAGES, lambda node: node.storages())

    def aliases(self) -> dict[Name, Alias]:
        """See `Technology.aliases`."""
        return self._ask(STORAGES, lambda node: node.aliases())

    def point(self, descriptors: Sequence[Descriptor]) -> None:
        """See `Technology.point`."""
        self._ask(STORAGES, lambda node: node.point(descriptors))

    def switch(self, descriptors: Sequence[Descriptor]) -> None:
        """See `Technology.switch`."""
        self._ask(STORAGES, lambda node: node.switch(descriptors))

    def alter(self, existing: Descriptor, wanted: Descriptor) -> bool:
        """See `Technology.alter`."""
        return self._ask(STORAGES, lambda node: node.alter(existing, wanted))

    def leases(self) -> dict[str, int]:
        """See `Technology.leases`."""
        return self._ask(STORAGES, lambda node: node.leases())

    def fill(self, descriptor: Descriptor, writes: Writes) -> None:
        """See `Technology.fill`."""
        self._ask(_place(descriptor), lambda node: node.fill(descriptor, writes))

    def erase(self, descriptor: Descriptor) -> None:
        """See `Technology.erase`."""
        last = self._ask(STORAGES, lambda node: node.is_last(descriptor))
        self._ask(_place(descriptor), lambda node: node.erase_rows(descriptor, last))
        self._ask(STORAGES, lambda node: node.forget(descriptor))

    def trim(self, descriptor: Descriptor, bucket: int) -> None:
        """See `Technology.trim`."""
        self._ask(_place(descriptor), lambda node: node.trim(descriptor, bucket))

    def claim(self, unit: UnitId, owner: str) -> Claim:
        """See `Technology.claim`."""
        return self._ask(_place(unit), lambda node: node.claim(unit, owner))

    def read(self, claim: Claim, expected: int | None, rows: Sequence[Address]) -> list[bytes | None]:
        """See `Technology.read`."""
        return self._ask(_place(claim.unit), lambda node: node.read(claim, expected, rows))

    def commit(self, claim: Claim, expected: int | None, new: int, writes: Writes, watermark_ms: int | None) -> Outcome:
        """See `Technology.commit`."""
        return self._ask(_place(claim.unit), lambda node: node.commit(claim, expected, new, writes, watermark_ms))

    def units(self, descriptor: Descriptor) -> list[UnitState]:
        """See `Technology.units`."""
        return self._ask(_place(descriptor), lambda node: node.units(descriptor))

    def newest(self, descriptor: Descriptor) -> Newest:
        """See `Technology.newest`."""
        return self._ask(_place(descriptor), lambda node: node.newest(descriptor))

    def dump(self, descriptor: Descriptor) -> Iterator[tuple[Address, Row]]:
        """See `Technology.dump`."""
        return self._ask(_place(descriptor), lambda node: node.dump(descriptor))

    def close(self) -> None:
        """See `Technology.close`."""
        with self._lock:
            self._closed = True
            for node in self._nodes.values():
                node.close()

    def _ask(self, key: str, call: Callable[[Redis], T]) -> T:
        node = self._node(key)
        try:
            return call(node)
        except (StorageUnavailable, UnknownOutcome):
            self._slots = None  # it may have moved; whoever asks next looks
            raise

    def node_of(self, key: str) -> str:
        """The url of the node that has a key now."""
        if self._slots is None:
            self._slots = self._mapped()
        url = self._slots.node(key)
        if url is None:
            self._slots = None
            raise StorageUnavailable("No node of the Redis Cluster serves this slot now.")
        return url

    def _node(self, key: str) -> Redis:
        with self._lock:
            if self._closed:
                raise StorageUnavailable("The Redis Cluster cannot be reached: it is closed here.")
            return self._opened(self.node_of(key))

    def _mapped(self) -> Slots:
        problem = StorageUnavailable("The url of the Redis Cluster names no node.")
        for url in dict.fromkeys([*self._nodes, *self._seeds]):
            try:
                return Slots(self._opened(url).slots(), url)
            except StorageUnavailable as error:
                problem = error
        raise problem

    def _opened(self, url: str) -> Redis:
        found = self._nodes.get(url)
        if found is None:
            found = self._nodes[url] = Redis(url, self._timeout)
        return found


def _place(writer: UnitId | Descriptor) -> str:
    """A key in the slot of a generation."""
    return Keys.of(writer).units
