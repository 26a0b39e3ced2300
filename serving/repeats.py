"""Bodies that were sent again: a client that heard no answer repeats a body under its key, and it is delivered once."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from hashlib import blake2b
from typing import Any

from serving.event_lines import Positions

REMEMBERED = 100_000
"""Events at most whose bodies are known again; the oldest are forgotten first."""

Taken = Positions | None


class Repeats:
    """Remembers the deliveries of this process by their keys, also those that nobody waited for to the end.

    A delivery that failed is forgotten, so that the next try is a new one. Another replica, or this one once restarted,
    does not know the key: there a repeated reward counts once by its goal's rule `first`, other events by their ids
    where learners drop repeats, or else twice.
    """

    def __init__(self) -> None:
        self._deliveries: OrderedDict[bytes, tuple[asyncio.Task[Taken], int]] = OrderedDict()
        self._events = 0

    async def once(
        self, topic: str, key: bytes, body: bytes, events: int, deliver: Callable[[], Coroutine[Any, Any, Taken]]
    ) -> Taken:
        """What the delivery of this body under this key gave, or gives; a new delivery where there is none yet."""
        at = blake2b(b"%s %d %s %s" % (topic.encode(), len(key), key, body), digest_size=16).digest()
        known = self._deliveries.get(at)
        task = known[0] if known is not None else self._begun(at, events, deliver)
        return await asyncio.shield(task)  # whoever gives up waiting must not end what the next try waits for

    def _begun(self, at: bytes, events: int, deliver: Callable[[], Coroutine[Any, Any, Taken]]) -> asyncio.Task[Taken]:
        task = asyncio.create_task(deliver())
        self._deliveries[at] = task, events
        self._events += events
        task.add_done_callback(lambda done: self._ended(at, done))
        while self._events > REMEMBERED and len(self._deliveries) > 1:
            self._events -= self._deliveries.popitem(last=False)[1][1]
        return task

    def _ended(self, at: bytes, done: asyncio.Task[Taken]) -> None:
        known = self._deliveries.get(at)
        if known is not None and known[0] is done and (done.cancelled() or done.exception() is not None):
            self._events -= self._deliveries.pop(at)[1]
