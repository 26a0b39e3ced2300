"""The driver's answers, which come in its own thread, brought to the event loop that waits for them: all that have come
since the loop last looked in one wake-up."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from threading import Lock
from typing import Any

from cassandra.cluster import ResponseFuture

from storage.cassandra.session import Rows


class Answers:
    """The answers of some requests, awaited together. An error of one is the error of all.

    Args:
        wakeups: of the loop that waits.
        count: how many requests there are.
    """

    def __init__(self, wakeups: Wakeups, count: int) -> None:
        self.future: asyncio.Future[list[Rows]] = wakeups.loop.create_future()
        self.error: BaseException | None = None
        self.rows: list[Rows] = [[] for _ in range(count)]
        self._wakeups = wakeups
        self._missing = count
        self._lock = Lock()

    def expect(self, number: int, response: ResponseFuture) -> None:
        """Take the answer to one request; further pages are fetched as they are found."""

        def page(rows: Rows | None) -> None:
            if rows:
                self.rows[number] += rows
            if response.has_more_pages and self.error is None and not self.future.done():
                response.start_fetching_next_page()
            else:
                self._arrived(None)

        response.add_callbacks(page, self._arrived)

    def settle(self) -> None:
        """Bring the answers to who waits, if somebody does still; on the loop."""
        if self.future.done():
            return
        if self.error is None:
            self.future.set_result(self.rows)
        else:
            self.future.set_exception(self.error)

    def _arrived(self, error: BaseException | None) -> None:
        with self._lock:
            self._missing -= 1
            settled = self.error is not None
            self.error = self.error or error
            complete = not settled and (error is not None or self._missing == 0)
        if complete:
            self._wakeups.add(self)


class Wakeups:
    """Belongs to one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._arrived: list[Answers] = []
        self._lock = Lock()

    def add(self, answers: Answers) -> None:
        """From any thread."""
        with self._lock:
            self._arrived.append(answers)
            asleep = len(self._arrived) == 1
        if asleep and not self.loop.is_closed():
            with suppress(RuntimeError):  # closed meanwhile: nobody waits any more
                self.loop.call_soon_threadsafe(self._settle)

    def _settle(self) -> None:
        with self._lock:
            arrived, self._arrived = self._arrived, []
        for answers in arrived:
            answers.settle()


Request = tuple[str, Sequence[Any]]
"""A statement and its values."""
