"""A memory as the models service reads it: a backtest asks the same code through the same readers as live traffic."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import islice

from storage.address import Address
from storage.descriptor import Descriptor
from storage.formats.text_scan import matching
from storage.formats.vector_scan import nearest
from storage.listed import Listed
from storage.memory.memory import Memory
from storage.technology import Newest, Row
from storage.unit import UnitState


class MemoryReads:
    """See `Reads` for what its methods promise. Nothing is waited for; each call is of one moment."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    async def listed(self) -> Listed:
        """See `Reads.listed`."""
        return self._memory.listed()

    async def lease(self, titles: Collection[str], until_ms: int) -> None:
        """See `Reads.lease`."""
        self._memory.lease(titles, until_ms)

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
            generation = self._memory.generation(descriptor)
            return [generation.summed(Address(storage, key)) for key in keys]

    async def some_sums(self, descriptor: Descriptor, key: str, size: int) -> dict[str, int]:
        """See `Reads.some_sums`."""
        with self._memory.lock:
            row = self._memory.generation(descriptor).summed(Address(descriptor.storage, key))
            return dict(islice(row.items(), size))

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

    async def nearest(self, descriptor: Descriptor, vector: bytes, size: int) -> list[tuple[str, float]]:
        """See `Reads.nearest`: all rows are looked at."""
        with self._memory.lock:
            found = self._memory.generation(descriptor).rows(descriptor.storage)
            rows = [(address.key, row) for address, row in found if isinstance(row, bytes)]
        return nearest(rows, vector, size, str(descriptor.options["metric"]))

    async def search(self, descriptor: Descriptor, text: str, size: int) -> list[tuple[str, float]]:
        """See `Reads.search`: all rows are looked at."""
        with self._memory.lock:
            found = self._memory.generation(descriptor).rows(descriptor.storage)
            rows = [(address.key, row) for address, row in found if isinstance(row, bytes)]
        return matching(rows, text, size, descriptor.options["fields"])

    async def keys(self, descriptor: Descriptor, size: int) -> list[str]:
        """See `Reads.keys`."""
        with self._memory.lock:
            found = (address.key for address, _ in self._memory.generation(descriptor).rows(descriptor.storage))
            return list(islice(dict.fromkeys(found), size))

    async def size(self, descriptor: Descriptor) -> int | None:
        """See `Reads.size`. Text and values alone, without what Python keeps around them."""
        with self._memory.lock:
            rows = self._memory.generation(descriptor).rows(descriptor.storage)
            return sum(len(address.key) + weight(row) for address, row in rows)

    async def close(self) -> None:
        """See `Reads.close`; the memory stays as it is."""

    def _newest(self, descriptor: Descriptor, rows: Sequence[Address]) -> Newest:
        bucketed = any(row.bucket is not None for row in rows)
        return self._memory.generation(descriptor).newest(descriptor.storage) if bucketed else Newest()


def weight(row: Row) -> int:
    """Bytes of a row: of its members or fields 8 more than their text each."""
    return len(row) if isinstance(row, bytes) else sum(len(item) + 8 for item in row)


def opened_reads(address: str = "") -> MemoryReads:
    """See `kinds.Kind`. Of a memory of its own: nobody else can write to it."""
    return MemoryReads(Memory())
