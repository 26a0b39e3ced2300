"""Finds the implementation that holds up the event loop: an `async def` that blocks where it should await."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from types import FrameType

from serving.endpoint import Endpoint, Live

LOGGER = logging.getLogger("millrace.answers")
TICK = 0.1
"""Seconds between two looks. What holds the loop for less than two of them is not seen."""


class Watchdog:
    """The loop says that it turns, and a thread looks whether it does; where not, what the loop runs is in its stack.

    Args:
        endpoints: what is served.
        held: told of each time that an implementation of this endpoint type has held the loop for longer than its
            deadline; called in the thread.
    """

    def __init__(self, endpoints: Callable[[], Collection[Endpoint]], held: Callable[[str], None]) -> None:
        self._endpoints, self._held = endpoints, held
        self._said: set[tuple[str, str]] = set()
        self._turned = 0.0
        self._ended = threading.Event()

    async def run(self) -> None:
        """Watch the running loop until cancelled."""
        self._turned = time.monotonic()
        watched = asyncio.get_running_loop(), threading.get_ident()
        thread = threading.Thread(target=self._watch, args=watched, name="watchdog", daemon=True)
        thread.start()
        try:
            while True:
                await asyncio.sleep(TICK)
                self._turned = time.monotonic()
        finally:
            self._ended.set()

    def _watch(self, loop: asyncio.AbstractEventLoop, its_thread: int) -> None:
        while not self._ended.wait(TICK):
            turned = self._turned
            if time.monotonic() - turned < 2 * TICK:
                continue
            found = self._holder(sys._current_frames().get(its_thread))
            while found is not None and self._turned == turned and not self._ended.wait(TICK / 10):
                pass
            seconds = time.monotonic() - turned - TICK / 2  # the last turn was up to a tick before it began
            if found is not None and seconds > found[0].deadline:
                self._say(*found, seconds)
                with suppress(RuntimeError):  # the loop has been closed
                    loop.call_soon_threadsafe(found[1].rotation.held)

    def _say(self, endpoint: Endpoint, live: Live, seconds: float) -> None:
        item = live.implementation
        self._held(endpoint.type.title)
        if (item.title, item.hash) not in self._said:
            self._said.add((item.title, item.hash))
            LOGGER.warning(
                "%s held the event loop for about %.1f s, and every other answer with it; make it a plain def, which "
                "runs in a thread, or await what takes so long. It is said once; millrace_held_total counts.",
                *(item.title, seconds),
            )

    def _holder(self, frame: FrameType | None) -> tuple[Endpoint, Live] | None:
        """Whose code is in this stack."""
        codes = {
            live.implementation.function.__code__: (endpoint, live)
            for endpoint in self._endpoints()
            for live in endpoint.lives.values()
        }
        while frame is not None:
            if frame.f_code in codes:
                return codes[frame.f_code]
            frame = frame.f_back
        return None
