"""Events on their way to Kafka, and the commit that follows once Kafka has them all."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import wait as waited

from streams import Deliveries, DeliveryFailed

PATIENCE = 30.0
"""Seconds in which Kafka has to acknowledge what goes with one commit; the unit begins anew after that."""


class Emission(Future[None]):
    """Emit first, then commit: the commit is sent by whoever hears of the last acknowledgement. Done when that commit
    has arrived or something has failed, or when Kafka has not acknowledged all in time; they may yet arrive then, and
    so may the commit.

    Args:
        events: so many are sent.
        commit: sends the commit; not called if an event was not acknowledged.
    """

    def __init__(self, events: int, commit: Callable[[], Future[None]], patience: float = PATIENCE) -> None:
        super().__init__()
        self.deliveries = Deliveries(events, self._acknowledged)
        self._events, self._send, self._patience = events, commit, patience
        self._until, self._heard = time.monotonic() + patience, False

    def done(self) -> bool:
        """Whether `result` returns, or raises, at once."""
        return super().done() or (not self._heard and time.monotonic() >= self._until)

    def result(self, timeout: float | None = None) -> None:
        """Wait until the commit has arrived. Raises what went wrong.

        Raises:
            DeliveryFailed: Kafka has not acknowledged all events.
        """
        if not self._heard:
            waited([self], max(0.0, self._until - time.monotonic()))
        if not self._heard and not super().done():
            raise DeliveryFailed(
                f"Kafka has not acknowledged {self._events} emitted events within {self._patience:g} s.", self._events
            )
        super().result(timeout)

    def _acknowledged(self) -> None:
        self._heard = True
        try:
            self.deliveries.check()
            self._send().add_done_callback(self._arrived)
        except BaseException as error:
            self.set_exception(error)

    def _arrived(self, commit: Future[None]) -> None:
        if commit.cancelled():
            self.cancel()
        elif (error := commit.exception()) is not None:
            self.set_exception(error)
        else:
            self.set_result(None)
