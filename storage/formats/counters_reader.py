"""Counters, read."""

from __future__ import annotations

from collections.abc import Sequence

from storage.reader import Reader


class CountersReader(Reader):
    """Reads `Counters`."""

    format = "counters"

    async def get(self, key: str, *, fresh: bool = False) -> dict[str, int]:
        """All fields of a key; empty where nothing was added. About `fresh` see `Reader`."""
        return (await self.get_many([key], fresh=fresh))[0]

    async def get_many(self, keys: Sequence[str], *, fresh: bool = False) -> list[dict[str, int]]:
        """The same for many keys at once, in their order."""
        reads, descriptor = self._located(fresh)
        return await reads.sums(descriptor, keys)
