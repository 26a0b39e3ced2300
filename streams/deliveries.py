"""Acknowledgements of a set of events that were sent together."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

from streams.errors import DeliveryFailed

OnDelivery = Callable[[Exception | None, int, int], None]


class Deliveries:
    """Counts the acknowledgements of `expected` events and calls `done` when the last is in.

    The acknowledgements come on any threads, in any order; `done` is called on that of the last.
    """

    def __init__(self, expected: int, done: Callable[[], None]) -> None:
        self.positions: list[tuple[int, int]] = [(-1, -1)] * expected
        self._outstanding, self._done = expected, done
        self._lock, self._failed = threading.Lock(), 0
        self._first: Exception | None = None

    def acknowledged(self, index: int) -> OnDelivery:
        """What to call when Kafka has, or has refused, the event at `index`."""
        return partial(self._acknowledged, index)

    def check(self) -> None:
        """Raise `DeliveryFailed` if an event was refused."""
        if self._first is not None:
            raise delivery_failed(self._failed, len(self.positions), self._first) from self._first

    def _acknowledged(self, index: int, error: Exception | None, partition: int, offset: int) -> None:
        with self._lock:
            self.positions[index] = (partition, offset)
            if error is not None:
                self._failed += 1
                self._first = self._first or error
            self._outstanding -= 1
            last = not self._outstanding
        if last:
            self._done()


def delivery_failed(failed: int, sent: int | None, first: Exception) -> DeliveryFailed:
    """The error for `failed` events (of `sent`, if known), the first of which failed with `first`."""
    of = "" if sent is None else f" of {sent}"
    return DeliveryFailed(
        f"Kafka did not acknowledge {failed}{of} event{'s' * (failed != 1)}; the first: {first}", failed
    )
