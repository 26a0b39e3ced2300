"""Wait for what a test tells of, however busy the machine is: for a condition, not for a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

PATIENCE = 60.0
"""Seconds after which what has not happened is taken not to happen."""
PAUSE = 0.01


def until(holds: Callable[[], object], patience: float = PATIENCE) -> None:
    """Wait for what another thread or process does."""
    end = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < end, "it does not happen"
        time.sleep(PAUSE)


async def until_async(holds: Callable[[], Awaitable[object]], patience: float = PATIENCE) -> None:
    """Wait for what another task does, or a server that is asked."""
    async with asyncio.timeout(patience):
        while not await holds():
            await asyncio.sleep(PAUSE)
