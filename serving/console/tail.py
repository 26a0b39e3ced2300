"""The newest events of a topic, decoded, for whoever looks: nothing is read while nobody does."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from threading import Thread
from typing import Any

from schemas.errors import MillraceError
from serving.measurements import Flow, Measurements
from serving.threads import Threads
from streams.log_view import LogView
from streams.logged import Told, told
from streams.looking import Looking

Query = Mapping[str, str]
KEPT = 300
"""Events of a topic that are kept while somebody looks."""
SHOWN = 50
"""Of them that a page shows, the newest."""
AT_ONCE, SIZE = 200, 4_000_000
"""Events and bytes that are read of a topic each second at most; what comes above is passed over, and counted."""
EVERY, GONE = 1.0, 4.0
"""Seconds between two reads, and after which nobody looks any more."""
PATIENCE = 2.0
"""Seconds that a page waits for the first of it."""
MOST = 8
"""Topics that are looked at at once."""
NOTHING: Mapping[str, Any] = {
    "may_tail": False,
    "tailed": "",
    "filtered": "",
    "not_tailed": "",
    "tail": None,
    "events": (),
}
LINE = 1_000
"""Characters of an event that a row shows."""


@dataclass(frozen=True, slots=True)
class Row:
    """An event as the page shows it."""

    told: Told
    line: str

    @property
    def text(self) -> str:
        """What a filter looks in."""
        return f"{self.told.event.key_text} {self.told.text or self.told.why_not}".lower()


class Tail:
    """The newest events of one topic."""

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self.rows: deque[Row] = deque(maxlen=KEPT)
        self.problem = ""
        self.passed_over = 0
        self.read = asyncio.Event()
        """Once the topic was read, or could not be."""
        self.looked = time.monotonic()
        self._next: dict[int, int] = {}

    def take(self, view: LogView, looking: Looking) -> None:
        """Read what has come since the last time; the first time the newest that are there. Blocks."""
        ends = view.ends(self.topic)
        share = max(1, AT_ONCE // max(1, len(ends)))
        first = {at: max(low, self._next.get(at, high - SHOWN)) for at, (low, high) in ends.items()}
        spans = {at: (max(first[at], high - share), high) for at, (_, high) in ends.items()}
        found = view.newest(self.topic, spans, SIZE) if any(low < high for low, high in spans.values()) else []
        come = sum(high - first[at] for at, (_, high) in ends.items())
        self.passed_over += max(0, come - len(found)) if self._next else 0
        self._next = {at: high for at, (_, high) in ends.items()}
        for event in sorted(found, key=lambda one: (one.timestamp_ms, one.partition, one.offset)):
            item = told(event, looking.codec)
            self.rows.append(Row(item, item.text[:LINE] + (" …" if len(item.text) > LINE else "")))

    def newest(self, words: str) -> list[Row]:
        """The newest rows that have all of these words, the newest first."""
        wanted = words.lower().split()
        found: list[Row] = []
        for row in reversed(self.rows):
            if all(word in row.text for word in wanted):
                found.append(row)
            if len(found) == SHOWN:
                break
        return found


class Tails:
    """The topics that somebody looks at. Of one event loop."""

    def __init__(self, looking: Looking) -> None:
        self._looking, self._threads = looking, Threads(MOST)
        self._tails: dict[str, Tail] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def look(self, topic: str) -> Tail | None:
        """What is known of a topic; from now on it is read until nobody has looked for some seconds. None where too
        many are looked at."""
        tail = self._tails.get(topic)
        if tail is None:
            if len(self._tails) >= MOST:
                return None
            tail = self._tails[topic] = Tail(topic)
            task = asyncio.get_running_loop().create_task(self._follow(tail))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        tail.looked = time.monotonic()
        return tail

    @property
    def followed(self) -> list[str]:
        """The topics that are read now."""
        return list(self._tails)

    async def _follow(self, tail: Tail) -> None:
        view: LogView | None = None
        try:
            while time.monotonic() - tail.looked < GONE:
                began = time.monotonic()
                try:
                    if view is None:
                        view = await self._threads.run(self._looking.view)
                    await self._threads.run(partial(tail.take, view, self._looking))
                    tail.problem = ""
                except MillraceError as error:
                    tail.problem = str(error)
                tail.read.set()
                await asyncio.sleep(max(0.1, EVERY - (time.monotonic() - began)))
        finally:
            self._tails.pop(tail.topic, None)
            if view is not None:  # a read may still be under way, which the event loop would wait for
                Thread(target=view.close, name="millrace-tail-closing", daemon=True).start()


def context(tails: Tails | None, flow: Flow | None, query: Query) -> dict[str, Any]:
    """Values for tail.html: `tail` in the query is the topic, `filter` words that its events have."""
    topic, words = query.get("tail", ""), query.get("filter", "")[:200]
    found = {**NOTHING, "may_tail": tails is not None, "tailed": topic, "filtered": words}
    if tails is None or flow is None or not topic:
        return found
    if topic not in {item.name for item in flow.topics}:
        return found | {"not_tailed": f"There is no topic {topic[:100]} here."}
    tail = tails.look(topic)
    if tail is None:
        return found | {"not_tailed": f"{MOST} topics are looked at by others; close one of those pages first."}
    return found | {"tail": tail, "events": tail.newest(words)}


async def prepared(tails: Tails | None, measurements: Measurements, query: Query) -> dict[str, Any]:
    """The same once the topic was read, or after some time."""
    tail = context(tails, measurements.flow(), query)["tail"]
    if tail is None:
        return {}
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            await tail.read.wait()
    return context(tails, measurements.flow(), query)
