"""How much each storage holds, asked of its technology now and then; a slow technology holds up no other."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from functools import partial

from serving.measurements.sample import Amount
from serving.measurements.source import Source
from storage import Catalogue, Descriptor, StorageError

EVERY = 5.0
"""Seconds between two counts of one storage: counting costs more than looking."""
TURN = 1.0
"""Seconds between two looks for storages that are to be counted; a new one is counted in the next."""
AT_ONCE = 4
"""Storages of one technology that are counted at the same time."""


class Amounts:
    """The newest amounts, whatever their age; each says when it was taken."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._sources = {name: Source(name, partial(self._read, name), every=TURN) for name in catalogue.health()}
        self._known: dict[str, Amount] = {}

    async def refresh(self) -> None:
        """Ask the technologies whose turn it is, without waiting for them."""
        await asyncio.gather(*(source.refresh(0.0) for source in self._sources.values()))

    def known(self, descriptors: Sequence[Descriptor]) -> Mapping[str, Amount]:
        """By title, of these storages those that were asked for."""
        titles = {item.title for item in descriptors}
        self._known = {title: amount for title, amount in self._known.items() if title in titles}
        return dict(self._known)

    async def close(self) -> None:
        """Give up what is under way."""
        await asyncio.gather(*(source.close() for source in self._sources.values()))

    async def _read(self, technology: str) -> None:
        turn = asyncio.Semaphore(AT_ONCE)
        due = time.time() - EVERY
        mine = [item for item in self._catalogue.storages() if item.technology == technology]
        late = [item for item in mine if (known := self._known.get(item.title)) is None or known.at <= due]
        await asyncio.gather(*(self._count(item, turn) for item in late))

    async def _count(self, item: Descriptor, turn: asyncio.Semaphore) -> None:
        async with turn:
            try:
                reads = self._catalogue.reads(item.technology)
                rows, size = await asyncio.gather(reads.count(item), reads.size(item))
            except StorageError:
                return  # what was known stays, with its time
            self._known[item.title] = Amount(time.time(), rows, size)
