"""Tells the storages which of their versions are read here, so that none of these is collected."""

from __future__ import annotations

import asyncio
import logging
import time

from storage import Catalogue

LOGGER = logging.getLogger("millrace.service")
RENEWED = 20.0
"""Seconds between two leases of the same versions."""
HELD = 60.0
"""Seconds that a lease lasts: a service that is held up, or a storage that is away for a moment, loses none."""


class Leases:
    """Renews the leases in the background; for one event loop. A technology that refuses, as one may where this service
    may only read, is told of in the log once."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._titles: frozenset[str] = frozenset()
        self._due = float("-inf")
        self._telling: asyncio.Task[None] | None = None
        self._refused: set[str] = set()

    def renew(self, titles: frozenset[str]) -> None:
        """Say that these versions are read, if that was not said lately. Waits for nothing."""
        busy = self._telling is not None and not self._telling.done()
        if busy or not titles or (titles == self._titles and time.monotonic() < self._due):
            return
        self._titles, self._due = titles, time.monotonic() + RENEWED
        self._telling = asyncio.create_task(self._tell(titles))

    async def _tell(self, titles: frozenset[str]) -> None:
        refused = await self._catalogue.lease(titles, round((time.time() + HELD) * 1000))
        for name in refused.keys() - self._refused:
            LOGGER.warning("%s does not keep what is read here from being collected: %s", name, refused[name])
        self._refused |= refused.keys()
