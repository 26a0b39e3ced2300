"""A log of decisions whose answers are given on an event loop, as the service's are, for tests that run elsewhere."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from serving.decisions.entry import Entry
from serving.decisions.log import DecisionLog


@contextmanager
def looping() -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop that runs in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(60)
        loop.close()


def on(loop: asyncio.AbstractEventLoop, call: Callable[[], object]) -> None:
    """Call it on that loop, and wait until it came back."""

    async def called() -> None:
        call()

    asyncio.run_coroutine_threadsafe(called(), loop).result(60)


class Looped(DecisionLog):
    """Any thread may `put`, one at a time: it is done on the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *of: Any, **options: Any) -> None:
        super().__init__(*of, **options)
        self._on = loop

    def put(self, entry: Entry) -> None:
        on(self._on, lambda: super(Looped, self).put(entry))
