"""A unit's commits on their way to the storage, one after the other."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Executor, Future
from threading import Lock

from learners.commit import Commit
from storage.technology import Commits


class Queue:
    """Sends each commit once the one before it has been acknowledged, and none after one that has failed: where that
    stands is only known after a new claim.

    Units share the executor's threads by turns, a commit each. So a store is kept busy while the worker decodes the
    next events.
    """

    def __init__(self, commits: Commits, executor: Executor) -> None:
        self._commits, self._executor = commits, executor
        self._waiting: deque[tuple[Commit, Future[None]]] = deque()
        self._lock = Lock()
        self._busy = self._closed = False

    def send(self, commit: Commit) -> Future[None]:
        """Send it in its turn; the future is done when the storage has it, and cancelled where one before it failed.
        Does not block."""
        future: Future[None] = Future()
        with self._lock:
            if self._closed:
                future.cancel()
                return future
            self._waiting.append((commit, future))
            idle, self._busy = not self._busy, True
        if idle:
            self._executor.submit(self._send_next)
        return future

    def close(self) -> None:
        """Send none of those that wait, and no more."""
        with self._lock:
            self._closed = True
            waiting = list(self._waiting)
            self._waiting.clear()
        for _, future in waiting:
            future.cancel()

    def _send_next(self) -> None:
        with self._lock:
            if not self._waiting:
                self._busy = False
                return
            commit, future = self._waiting.popleft()
        try:
            commit.send(self._commits)
        except BaseException as error:
            self.close()
            future.set_exception(error)
            return
        future.set_result(None)
        with self._lock:
            self._busy = bool(self._waiting)
            more = self._busy
        if more:
            self._executor.submit(self._send_next)
