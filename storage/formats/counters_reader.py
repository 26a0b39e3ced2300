"""Counters, read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from storage.formats.window import Window, prefix
from storage.formats.window_reader import WindowReader


class CountersReader(WindowReader):
    """Reads `Counters`."""

    format = "counters"

    async def get(self, key: str, *, at: datetime | None = None, fresh: bool = False) -> dict[str, int]:
        """All fields of a key; empty where nothing was added. About `fresh` see `Reader`.

        Args:
            at: where counters are kept by window, a moment in it. Of hopping windows, which overlap, the one that ends
                first is read: the fullest.
        """
        return (await self.get_many([key], at=at, fresh=fresh))[0]

    async def get_many(
        self, keys: Sequence[str], *, at: datetime | None = None, fresh: bool = False
    ) -> list[dict[str, int]]:
        """The same for many keys at once, in their order."""
        reads, descriptor = self._located(fresh)
        begin = await self._begin(reads, descriptor, at)
        if begin is None:
            return [{} for _ in keys]
        return await reads.sums(descriptor, [begin + key for key in keys] if begin else keys)

    async def windows(
        self, key: str, since: datetime, until: datetime, *, fresh: bool = False
    ) -> list[Window[dict[str, int]]]:
        """A key's windows in which something was added and that have a moment from `since` on and before `until`, in
        the order of time; at most 10,000 are looked at. One read for all."""
        reads, descriptor = self._located(fresh)
        windows, starts = await self._between(reads, descriptor, since, until)
        found = await reads.sums(descriptor, [prefix(start) + key for start in starts])
        return [windows.window(start, fields) for start, fields in zip(starts, found, strict=True) if fields]
