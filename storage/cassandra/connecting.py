"""A connection that is being made in a thread of its own, for whoever waits for it on any event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import Future
from threading import Lock, Thread

from storage.cassandra.session import CassandraSession

_PAUSE = 0.2
"""Seconds after a failure for which whoever comes meets the same failure."""


class Connecting:
    """Connects a session once, and again after a failure."""

    def __init__(self, session: CassandraSession, statements: Sequence[str]) -> None:
        self._session, self._statements = session, statements
        self._lock = Lock()
        self._attempt: Future[None] | None = None
        self._failed_at: float | None = None
        self._connected = False

    async def done(self) -> None:
        """Return when the session is connected; raises why it cannot be. Does not wait for long where it is."""
        if not self._connected:
            attempt = asyncio.wrap_future(self._current())
            attempt.add_done_callback(_seen)
            await asyncio.shield(attempt)

    def _current(self) -> Future[None]:
        with self._lock:
            again = self._failed_at is not None and time.monotonic() > self._failed_at + _PAUSE
            if self._attempt is None or again:
                self._attempt, self._failed_at = Future(), None
                Thread(target=self._connect, args=(self._attempt,), name="cassandra-connecting", daemon=True).start()
            return self._attempt

    def _connect(self, attempt: Future[None]) -> None:
        try:
            self._session.connect(*self._statements)
        except BaseException as error:
            self._failed_at = time.monotonic()
            attempt.set_exception(error)
        else:
            self._connected = True
            attempt.set_result(None)


def _seen(attempt: asyncio.Future[None]) -> None:
    """A failure that nobody waits for any more is no news for the log."""
    if not attempt.cancelled():
        attempt.exception()
