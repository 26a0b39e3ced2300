"""A unit's commits under way, and those that wait for the ones before them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass

from learners.commit import Commit
from learners.queue import Queue
from storage.technology import Commits


@dataclass(frozen=True, slots=True)
class Flight:
    """A commit that is under way, or waits for the one before it.

    Attributes:
        new: the position that it commits.
        size: its bytes.
        at: when it was made.
        future: is done when the storage has it.
    """

    new: int
    size: int
    at: float
    future: Future[None]


class Flights:
    """The oldest first. All calls belong to one thread; the commits are sent in the executor's.

    Attributes:
        size: bytes of all of them.
    """

    def __init__(self, commits: Commits, executor: Executor) -> None:
        self.size = 0
        self._queue = Queue(commits, executor)
        self._flights: deque[Flight] = deque()

    def __len__(self) -> int:
        return len(self._flights)

    @property
    def first(self) -> Future[None] | None:
        """The one that is waited for; None where there is none."""
        return self._flights[0].future if self._flights else None

    def send(self, commit: Commit) -> Future[None]:
        """See `Queue.send`."""
        return self._queue.send(commit)

    def add(self, flight: Flight) -> None:
        """One more, which `send` was or will be called for."""
        self._flights.append(flight)
        self.size += flight.size

    def landed(self, wait: bool) -> Iterator[Flight]:
        """Take out those that have arrived, or wait for all of them; the first that has failed raises its error."""
        while self._flights and (wait or self._flights[0].future.done()):
            flight = self._flights.popleft()
            self.size -= flight.size
            flight.future.result()
            yield flight

    def close(self) -> None:
        """Send none of those that wait."""
        self._queue.close()
