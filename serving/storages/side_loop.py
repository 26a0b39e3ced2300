"""An event loop beside the one that answers: what takes long on it holds up nobody but those who asked for that."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

T = TypeVar("T")


class SideLoop:
    """An event loop in a thread of its own, which starts with the first call and never holds up the end of the process.

    Args:
        name: the thread's.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._loop: asyncio.AbstractEventLoop | None = None

    async def run(self, asked: Coroutine[Any, Any, T]) -> T:
        """What comes of it over there; raises what it raises. Whoever is cancelled here cancels it."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(asked, self._started()))

    async def close(self, last: Iterable[Coroutine[Any, Any, object]]) -> None:
        """End the loop; before that, what it has opened is closed by these. Does nothing where nothing was run."""
        loop, self._loop = self._loop, None
        if loop is None:
            return
        for closing in last:
            await asyncio.wait([asyncio.wrap_future(asyncio.run_coroutine_threadsafe(closing, loop))])
        loop.call_soon_threadsafe(loop.stop)

    def _started(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            threading.Thread(target=_run, args=[self._loop], name=self._name, daemon=True).start()
        return self._loop


def _run(loop: asyncio.AbstractEventLoop) -> None:
    try:
        loop.run_forever()
    finally:
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
