"""A technology without a server: for replays, backtests, notebooks and tests. The whole protocol, and nothing kept."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from threading import Lock

from storage.address import Address
from storage.alias import Alias, Name, first
from storage.clock import now_ms
from storage.declaring import settled
from storage.descriptor import Descriptor
from storage.errors import Fenced, Gap
from storage.listed import Damaged, EntryKind, Listed
from storage.memory.generation import Generation
from storage.technology import Gone, Newest, Row
from storage.unit import Claim, Outcome, UnitId, UnitState, must_fit
from storage.writes import Writes


@dataclass(slots=True)
class _Fence:
    """What is kept of a unit."""

    epoch: int = 0
    owner: str = ""
    next: int | None = None
    watermark_ms: int | None = None
    committed_ms: int | None = None


_NOBODY = _Fence()
"""Of a unit that was never claimed: no claim has its epoch."""


class Memory:
    """See `Technology` for what its methods promise; `MemoryReads` reads it. Thread-safe: one lock guards all of it.

    Attributes:
        lock: to be held while a `generation` is looked at.
    """

    name = "memory"

    def __init__(self) -> None:
        self.lock = Lock()
        self._descriptors: dict[tuple[str, int], Descriptor] = {}
        self._aliases: dict[Name, Alias] = {}
        self._leases: dict[str, int] = {}
        self._fences: dict[UnitId, _Fence] = {}
        self._generations: dict[tuple[str, int], Generation] = {}

    def declare(self, descriptor: Descriptor) -> Descriptor:
        """See `Technology.declare`."""
        place = descriptor.storage, descriptor.version
        with self.lock:
            found = self._descriptors[place] = settled(self._descriptors.get(place), descriptor)
            if found.state == "ready":
                self._aliases.setdefault(descriptor.place, first(descriptor.version, now_ms()))
        return found

    def storages(self) -> list[Descriptor]:
        """See `Technology.storages`."""
        with self.lock:
            return [self._descriptors[place] for place in sorted(self._descriptors)]

    def aliases(self) -> dict[Name, Alias]:
        """See `Technology.aliases`."""
        with self.lock:
            return dict(self._aliases)

    def listed(self) -> Listed:
        """All that there is at one moment."""
        with self.lock:
            return Listed({item.entry: item for item in self._descriptors.values()}, dict(self._aliases))

    def damaged(self) -> list[Damaged]:
        """See `Technology.damaged`. Nobody else writes here."""
        return []

    def discard(self, kind: EntryKind, entry: str) -> bool:
        """See `Technology.discard`."""
        return False

    def point(self, descriptors: Sequence[Descriptor]) -> None:
        """See `Technology.point`."""
        with self.lock:
            self._aliases.update(self._listed().advanced(descriptors, now_ms()))

    def switch(self, descriptors: Sequence[Descriptor]) -> bool:
        """See `Technology.switch`."""
        with self.lock:
            moved = self._listed().switched(descriptors, now_ms())
            self._aliases.update(moved or {})
            return moved is not None

    def alter(self, existing: Descriptor, wanted: Descriptor) -> bool:
        """See `Technology.alter`."""
        place = existing.storage, existing.version
        with self.lock:
            if self._descriptors.get(place) != existing:
                return False
            self._descriptors[place] = wanted
            return True

    def fill(self, descriptor: Descriptor, writes: Writes) -> None:
        """See `Technology.fill`."""
        with self.lock:
            generation = self.generation(descriptor)
            generation.check(writes)
            generation.refuse_what_is_there(writes)
            generation.apply(writes)

    def erase(self, descriptor: Descriptor) -> None:
        """See `Technology.erase`."""
        with self.lock:
            self._descriptors.pop((descriptor.storage, descriptor.version), None)
            alias = self._aliases.get(descriptor.place)
            if alias is not None and alias.version == descriptor.version:
                del self._aliases[descriptor.place]
            self.generation(descriptor).remove(descriptor.storage)
            writer = descriptor.learner, descriptor.generation
            if descriptor.is_last_of(self._descriptors.values()):
                self._generations.pop(writer, None)
                for unit in [unit for unit in self._fences if (unit.learner, unit.generation) == writer]:
                    del self._fences[unit]

    def trim(self, descriptor: Descriptor, bucket: int) -> None:
        """See `Technology.trim`."""
        with self.lock:
            self.generation(descriptor).trim(descriptor.storage, bucket)

    def expire(self, descriptor: Descriptor, before: str) -> None:
        """See `Technology.expire`."""
        with self.lock:
            self.generation(descriptor).expire(descriptor.storage, before)

    def remove(self, descriptor: Descriptor, claim: Claim | None, gone: Gone) -> None:
        """See `Technology.remove`."""
        with self.lock:
            if claim is not None:
                self._must_hold(claim)
            self.generation(descriptor).take_out(gone)

    def leases(self) -> dict[str, int]:
        """See `Technology.leases`."""
        with self.lock:
            return dict(self._leases)

    def release(self, titles: Collection[str]) -> None:
        """See `Technology.release`."""
        with self.lock:
            for title in titles:
                self._leases.pop(title, None)

    def lease(self, titles: Collection[str], until_ms: int) -> None:
        """See `Reads.lease`."""
        with self.lock:
            self._leases.update(dict.fromkeys(titles, until_ms))

    def claim(self, unit: UnitId, owner: str) -> Claim:
        """See `Technology.claim`."""
        with self.lock:
            fence = self._fences.setdefault(unit, _Fence())
            fence.epoch += 1
            fence.owner = owner
            return Claim(unit, fence.epoch, owner, fence.next)

    def read(self, claim: Claim, expected: int | None, rows: Sequence[Address]) -> list[bytes | None]:
        """See `Technology.read`."""
        unit = claim.unit
        with self.lock:
            fence = self._must_hold(claim)
            if fence.next != expected:
                raise Gap(f"{unit.topic}/{unit.partition} of {unit.learner} is at {fence.next}, not at {expected}.")
            records = self.generation(unit).records
            return [records.get(row) for row in rows]

    def commit(self, claim: Claim, expected: int | None, new: int, writes: Writes, watermark_ms: int | None) -> Outcome:
        """See `Technology.commit`."""
        must_fit(new)
        with self.lock:
            fence = self._fences.get(claim.unit, _NOBODY)
            if (fence.epoch, fence.owner) != (claim.epoch, claim.owner):
                return Outcome.FENCED
            if fence.next == new:
                return Outcome.ALREADY
            if fence.next != expected:
                return Outcome.GAP
            generation = self.generation(claim.unit)
            generation.check(writes)
            generation.apply(writes)
            fence.next = new
            if watermark_ms is not None:
                fence.watermark_ms = max(watermark_ms, fence.watermark_ms or watermark_ms)
            fence.committed_ms = now_ms()
            return Outcome.OK

    def units(self, descriptor: Descriptor) -> list[UnitState]:
        """See `Technology.units`."""
        writer = descriptor.learner, descriptor.generation, descriptor.topic
        with self.lock:
            found = [
                UnitState(unit, fence.epoch, fence.next, fence.watermark_ms, fence.committed_ms)
                for unit, fence in self._fences.items()
                if (unit.learner, unit.generation, unit.topic) == writer
            ]
        return sorted(found, key=lambda state: state.unit.partition)

    def newest(self, descriptor: Descriptor) -> Newest:
        """See `Technology.newest`."""
        with self.lock:
            return self.generation(descriptor).newest(descriptor.storage)

    def dump(self, descriptor: Descriptor) -> Iterator[tuple[Address, Row]]:
        """See `Technology.dump`."""
        with self.lock:
            rows = list(self.generation(descriptor).rows(descriptor.storage))
        return iter(rows)

    def close(self) -> None:
        """Nothing to let go of; all goes on working."""

    def _must_hold(self, claim: Claim) -> _Fence:
        """The unit's fence; hold the lock. Raises Fenced where the claim is not the newest any more."""
        unit = claim.unit
        fence = self._fences.get(unit, _NOBODY)
        if (fence.epoch, fence.owner) != (claim.epoch, claim.owner):
            raise Fenced(f"{unit.topic}/{unit.partition} of {unit.learner} was claimed by another; claim again.")
        return fence

    def _listed(self) -> Listed:
        return Listed({item.entry: item for item in self._descriptors.values()}, self._aliases)

    def generation(self, writer: UnitId | Descriptor) -> Generation:
        """The rows that a unit writes, or that a storage has; hold the lock."""
        place = writer.learner, writer.generation
        found = self._generations.get(place)
        if found is None:
            found = self._generations[place] = Generation()
        return found


def opened(address: str = "") -> Memory:
    """See `kinds.Kind`. A new one, with nothing in it."""
    return Memory()
