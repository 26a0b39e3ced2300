"""A memory as the models service reads it: a backtest asks the same code through the same readers as live traffic."""

from __future__ import annotations

from collections.abc import Sequence

from storage.address import Address
from storage.descriptor import Descriptor
from storage.memory import Memory
from storage.technology import Newest
from storage.unit import UnitState


class MemoryReads:
    """See `Reads` for what its methods promise. Nothing is waited for; each call is of one moment."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    async def catalogue(self) -> list[Descriptor]:
        """See `Reads.catalogue`."""
        return self._memory.catalogue()

    async def aliases(self) -> dict[tuple[str, str], int]:
        """See `Reads.aliases`."""
        return self._memory.aliases()

    async def units(self, descriptor: Descriptor) -> list[UnitState]:
        """See `Reads.units`."""
        return self._memory.units(descriptor)

    async def rows(self, descriptor: Descriptor, keys: Sequence[str]) -> list[bytes | None]:
        """See `Reads.rows`."""
        storage = descriptor.storage
        with self._memory.lock:
            records = self._memory.generation(descriptor).records
            return [records.get(Address(storage, key)) for key in keys]

    async def sums(self, descriptor: Descriptor, keys: Sequence[str]) -> list[dict[str, int]]:
        """See `Reads.sums`."""
        storage = descriptor.storage
        with self._memory.lock:
            sums = self._memory.generation(descriptor).sums
            return [dict(sums.get(Address(storage, key), ())) for key in keys]

    async def top(
        self, descriptor: Descriptor, rows: Sequence[Address], size: int
    ) -> tuple[Newest, list[list[tuple[str, float]]]]:
        """See `Reads.top`."""
        with self._memory.lock:
            ranked = self._memory.generation(descriptor).ranked
            found = [ranked[row].top(size) if row in ranked else [] for row in rows]
            return self._newest(descriptor, rows), found

    async def scores(
        self, descriptor: Descriptor, rows: Sequence[tuple[Address, Sequence[str]]]
    ) -> tuple[Newest, list[list[float | None]]]:
        """See `Reads.scores`."""
        with self._memory.lock:
            ranked = self._memory.generation(descriptor).ranked
            found: list[list[float | None]] = [
                [ranked[row].scores.get(member) for member in members] if row in ranked else [None] * len(members)
                for row, members in rows
            ]
            return self._newest(descriptor, [row for row, _ in rows]), found

    async def count(self, descriptor: Descriptor) -> int | None:
        """See `Reads.count`."""
        with self._memory.lock:
            return self._memory.generation(descriptor).count(descriptor.storage)

    async def close(self) -> None:
        """See `Reads.close`; the memory stays as it is."""

    def _newest(self, descriptor: Descriptor, rows: Sequence[Address]) -> Newest:
        bucketed = any(row.bucket is not None for row in rows)
        return self._memory.generation(descriptor).newest(descriptor.storage) if bucketed else Newest()
