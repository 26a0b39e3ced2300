"""A technology without a server: for replays, backtests, notebooks and tests. The whole protocol, and nothing kept."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from threading import Lock

from storage.address import Address
from storage.conflict import conflict
from storage.descriptor import Descriptor
from storage.errors import Fenced, Gap
from storage.generation import Generation
from storage.technology import Newest, Row
from storage.unit import Claim, Outcome, UnitId, UnitState
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
        self._aliases: dict[tuple[str, str], int] = {}
        self._fences: dict[UnitId, _Fence] = {}
        self._generations: dict[tuple[str, int], Generation] = {}

    def declare(self, descriptor: Descriptor) -> Descriptor:
        """See `Technology.declare`."""
        with self.lock:
            place = descriptor.storage, descriptor.version
            existing = self._descriptors.setdefault(place, descriptor)
            name = descriptor.format, descriptor.name
            self._aliases.setdefault(name, descriptor.version)
        if problem := conflict(existing, descriptor):
            raise problem
        return existing

    def point(self, descriptors: Sequence[Descriptor]) -> None:
        """See `Technology.point`."""
        with self.lock:
            for descriptor in descriptors:
                name = descriptor.format, descriptor.name
                self._aliases[name] = max(self._aliases.get(name, descriptor.version), descriptor.version)

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
            fence = self._fences.get(unit, _NOBODY)
            if (fence.epoch, fence.owner) != (claim.epoch, claim.owner):
                raise Fenced(f"{unit.topic}/{unit.partition} of {unit.learner} was claimed by another; claim again.")
            if fence.next != expected:
                raise Gap(f"{unit.topic}/{unit.partition} of {unit.learner} is at {fence.next}, not at {expected}.")
            records = self.generation(unit).records
            return [records.get(row) for row in rows]

    def commit(self, claim: Claim, expected: int | None, new: int, writes: Writes, watermark_ms: int | None) -> Outcome:
        """See `Technology.commit`."""
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
            fence.committed_ms = time.time_ns() // 1_000_000
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

    def catalogue(self) -> list[Descriptor]:
        """Every storage that was declared, by name and version."""
        with self.lock:
            return [self._descriptors[place] for place in sorted(self._descriptors)]

    def aliases(self) -> dict[tuple[str, str], int]:
        """(format, name) -> the version that the name stands for."""
        with self.lock:
            return dict(self._aliases)

    def generation(self, writer: UnitId | Descriptor) -> Generation:
        """The rows that a unit writes, or that a storage has; hold the lock."""
        place = writer.learner, writer.generation
        found = self._generations.get(place)
        if found is None:
            found = self._generations[place] = Generation()
        return found
