"""One thing that is read again and again, kept with its age: a slow or dead server leaves the last value."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from serving.measurements.sample import Connection

Value = TypeVar("Value")


class Source(Generic[Value]):
    """Reads `read` when told to, one read at a time, and keeps the newest value.

    A read that takes longer than the caller waits goes on in the background and counts when it arrives. `every` is the
    least time between two reads in seconds, and `fresh` how old a value may be to count as current.
    """

    def __init__(
        self, name: str, read: Callable[[], Awaitable[Value]], every: float = 0.0, fresh: float | None = None
    ) -> None:
        self.name = name
        self._read = read
        self._every = every
        self._fresh = fresh if fresh is not None else max(2.5, 2.5 * every)
        self._value: Value | None = None
        self._at: float | None = None
        self._took: float | None = None
        self._error: str | None = None
        self._running: asyncio.Task[None] | None = None
        self._began = float("-inf")

    async def refresh(self, wait: float) -> None:
        """Start a read if none is running, and wait for it at most `wait` seconds. Its error is kept, not raised."""
        if self._running is None or self._running.done():
            if time.monotonic() - self._began < self._every:
                return
            self._began = time.monotonic()
            self._running = asyncio.create_task(self._once())
        await asyncio.wait([self._running], timeout=wait)

    @property
    def current(self) -> Value | None:
        """The newest value if it is fresh, else None."""
        if self._at is None or time.monotonic() - self._at > self._fresh:
            return None
        return self._value

    def connection(self, now: float) -> Connection:
        """How the server behind this source does; `now` in seconds since the epoch."""
        waiting = self._running is not None and not self._running.done()
        late = waiting and time.monotonic() - self._began > self._fresh
        answered = None if self._at is None else now - (time.monotonic() - self._at)
        error = self._error or (f"no answer for {time.monotonic() - self._began:.0f} s" if late else None)
        return Connection(self.name, answered, None if self._took is None else self._took * 1000, error)

    async def close(self) -> None:
        """Give up a read that is running."""
        if self._running is not None and not self._running.done():
            self._running.cancel()
            await asyncio.wait([self._running])

    async def _once(self) -> None:
        began = time.monotonic()
        try:
            self._value = await self._read()
        except Exception as error:
            self._error = f"{type(error).__name__}: {error}".rstrip(": ")
        else:
            self._at, self._error = time.monotonic(), None
            self._took = self._at - began
