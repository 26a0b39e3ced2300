"""Events on their way to Kafka, and the commit that follows once Kafka has them all."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Protocol

from streams import Deliveries, DeliveryFailed

PATIENCE = 30.0
"""Seconds in which Kafka has to acknowledge what goes with one commit; the unit begins anew after that."""


class Flight(Protocol):
    """A commit under way; a `Future` is one."""

    def done(self) -> bool:
        """Whether `result` returns, or raises, at once."""

    def result(self) -> None:
        """Wait until it has arrived. Raises what went wrong."""


class Emission:
    """Emit first, then commit: the commit is sent by whoever hears of the last acknowledgement.

    Args:
        events: so many are sent.
        commit: sends the commit; not called if an event was not acknowledged.
    """

    def __init__(self, events: int, commit: Callable[[], Future[None]], patience: float = PATIENCE) -> None:
        self.deliveries = Deliveries(events, self._acknowledged)
        self._events, self._send, self._patience = events, commit, patience
        self._until = time.monotonic() + patience
        self._heard = threading.Event()
        self._commit: Future[None] | None = None
        self._failure: BaseException | None = None

    def done(self) -> bool:
        """See `Flight`."""
        if not self._heard.is_set():
            return time.monotonic() >= self._until
        return self._commit is None or self._commit.done()

    def result(self) -> None:
        """See `Flight`.

        Raises:
            DeliveryFailed: Kafka has not acknowledged all events. They may yet arrive, and so may the commit.
        """
        if not self._heard.wait(max(0.0, self._until - time.monotonic())):
            raise DeliveryFailed(
                f"Kafka has not acknowledged {self._events} emitted events within {self._patience:g} s.", self._events
            )
        if self._commit is None:
            assert self._failure is not None
            raise self._failure
        self._commit.result()

    def _acknowledged(self) -> None:
        try:
            self.deliveries.check()
            self._commit = self._send()
        except BaseException as error:
            self._failure = error
        self._heard.set()
