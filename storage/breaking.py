"""Reads that nobody waits for while their store is away."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any, cast

from storage.breaker import Breaker
from storage.errors import StorageUnavailable
from storage.technology import Reads

LOGGER = logging.getLogger("millrace.storage")

READS = ("rows", "sums", "top", "scores", "nearest", "search")
"""What implementations ask. The rest is asked in the background, where waiting costs nothing."""
SIGN_OF_LIFE = "listed"
"""What the catalogue asks several times a second, whether the store is away or not: the trial of a half-open breaker,
for which no request has to wait."""


def breaking(name: str, reads: Reads) -> Reads:
    """These reads behind a breaker: all implementations that read one store share what one of them has found out.

    Args:
        name: of the technology, for messages.
    """
    return cast(Reads, _Breaking(name, reads))


class _Breaking:
    def __init__(self, name: str, reads: Reads) -> None:
        self._name, self._reads, self._breaker = name, reads, Breaker()
        for method in READS:
            setattr(self, method, self._guarded(getattr(reads, method)))
        self.listed = self._watched(getattr(reads, SIGN_OF_LIFE))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reads, name)

    def _guarded(self, method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        """Fails at once while the breaker is open."""
        watched = self._watched(method)

        async def ask(*arguments: Any) -> Any:
            if self._breaker.open:
                raise StorageUnavailable(f"{self._name} does not answer; it is read again when it does.")
            return await watched(*arguments)

        return ask

    def _watched(self, method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        """Tells the breaker what becomes of it. One that is cancelled was waited for in vain, until its deadline."""

        async def ask(*arguments: Any) -> Any:
            try:
                found = await method(*arguments)
            except (StorageUnavailable, asyncio.CancelledError):
                if self._breaker.failed(monotonic()):
                    LOGGER.error("%s does not answer; reads of it fail at once until it does.", self._name)
                raise
            except Exception:
                self._answered()
                raise
            self._answered()
            return found

        return ask

    def _answered(self) -> None:
        if self._breaker.answered():
            LOGGER.warning("%s answers again.", self._name)
