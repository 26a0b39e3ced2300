"""What readers of formats that may be kept by window share: which window is meant, and whether it is still kept."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

from schemas import Record
from storage.descriptor import Descriptor
from storage.errors import FormatRefused
from storage.formats.window import Windows, first_kept, prefix, since_1970
from storage.reader import Located, Reader
from storage.technology import Reads

AT_ONCE = 10_000
"""So many windows of a key are read at once, at most."""
LOOK_EVERY = 1.0
"""Seconds between two looks at how far the watermark has come."""


class WindowReader(Reader):
    """Reads rows that may be kept by window. A window that is kept no longer is empty for readers at once, whether or
    not it has been removed: as a whole, as a unit that is behind may still add to it."""

    def __init__(self, locate: Callable[[], Located], record: type[Record] | None = None) -> None:
        """See `Reader`."""
        super().__init__(locate)
        self._first: int | None = None
        self._looked: tuple[str, float] = "", 0.0

    async def _begin(self, reads: Reads, descriptor: Descriptor, at: datetime | None) -> str | None:
        """What the keys begin with in the window that holds a moment; of hopping windows in the one that ends first,
        which is the fullest. None where that window is kept no longer; empty where rows are in no windows.

        Raises:
            FormatRefused: there are windows and no moment, or a moment and no windows.
        """
        windows = Windows.of(descriptor.options)
        if windows is None:
            if at is not None:
                raise FormatRefused(f"{descriptor.title} is not kept by window; leave `at` out.")
            return ""
        if at is None:
            raise FormatRefused(f"{descriptor.title} is kept by window, so `at` must say which.")
        start = windows.starts(since_1970(at))[0]
        first = await self._kept(reads, descriptor)
        return None if first is not None and start < first else prefix(start)

    async def _between(
        self, reads: Reads, descriptor: Descriptor, since: datetime, until: datetime
    ) -> tuple[Windows, list[int]]:
        """The windows that have a moment at or after the one and before the other, and where those begin that are kept.

        Raises:
            FormatRefused: there are no windows, or too many.
        """
        windows = Windows.of(descriptor.options)
        if windows is None:
            raise FormatRefused(f"{descriptor.title} is not kept by window, so it is read by key alone.")
        starts = windows.between(since_1970(since), since_1970(until))
        if len(starts) > AT_ONCE:
            raise FormatRefused(
                f"{descriptor.title} has {len(starts):,} windows from {since} to {until}; at most {AT_ONCE:,} are read "
                "at once."
            )
        first = await self._kept(reads, descriptor)
        return windows, [start for start in starts if first is None or start >= first]

    async def _kept(self, reads: Reads, descriptor: Descriptor) -> int | None:
        """Where the first window begins that is kept; None = all are."""
        if "retention_ms" not in descriptor.options:
            return None
        title, due = self._looked
        if title != descriptor.title or time.monotonic() >= due:
            self._first = first_kept(descriptor, await reads.units(descriptor))
            self._looked = descriptor.title, time.monotonic() + LOOK_EVERY
        return self._first
