"""Runs plain functions for the event loop, in a few threads that never hold up the end of the process."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

Value = TypeVar("Value")
_Job = tuple[asyncio.AbstractEventLoop, "asyncio.Future[Any]", Callable[[], Any]]


class Threads:
    """At most `size` functions at once; others wait. Threads start when first needed.

    A caller that gives up (a deadline) leaves its function running, since a thread cannot be stopped; a function that
    never ends so takes one thread for good, and no more. Threads are daemons: one that hangs does not keep the process.
    """

    def __init__(self, size: int = 8) -> None:
        self._size = size
        self._jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        self._started = 0
        self._idle = threading.Semaphore(0)

    @property
    def waiting(self) -> int:
        """Functions that no thread has begun."""
        return self._jobs.qsize()

    async def run(self, function: Callable[[], Value]) -> Value:
        """Call the function in a thread and wait for it; raises what it raises."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Value] = loop.create_future()
        self._jobs.put((loop, future, function))
        if not self._idle.acquire(blocking=False) and self._started < self._size:
            self._started += 1
            threading.Thread(target=self._work, name=f"millrace-implementation-{self._started}", daemon=True).start()
        return await future

    def _work(self) -> None:
        while True:
            loop, future, function = self._jobs.get()
            if not future.cancelled():
                _call(loop, future, function)
            self._idle.release()


def _call(loop: asyncio.AbstractEventLoop, future: asyncio.Future[Any], function: Callable[[], Any]) -> None:
    value, error = None, None
    try:
        value = function()
    except BaseException as raised:
        error = raised
    with suppress(RuntimeError):  # the loop has ended; nobody waits any more
        loop.call_soon_threadsafe(_settle, future, value, error)


def _settle(future: asyncio.Future[Any], value: Any, error: BaseException | None) -> None:
    if future.cancelled():
        return
    if error is None:
        future.set_result(value)
    elif isinstance(error, StopIteration):  # a future cannot hold it
        future.set_exception(RuntimeError("the function raised StopIteration"))
    else:
        future.set_exception(error)
