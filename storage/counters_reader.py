"""Counters, read."""

from __future__ import annotations

from collections.abc import Sequence

from storage.reader import Reader


class CountersReader(Reader):
    """Reads `Counters`."""

    format = "counters"

    async def get(self, key: str) -> dict[str, int]:
        """All fields of a key; empty where nothing was added."""
        return (await self.get_many([key]))[0]

    async def get_many(self, keys: Sequence[str]) -> list[dict[str, int]]:
        """The same for many keys at once, in their order."""
        reads, descriptor = self._locate()
        return await reads.sums(descriptor, keys)
