"""Events on their way to Kafka, and the commit that follows once Kafka has them all."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import wait as waited

from streams import Deliveries, DeliveryFailed

PATIENCE = 30.0
"""Seconds in which Kafka has to acknowledge what goes with one commit; the unit begins anew after that."""
LOOK = 0.05
"""Seconds between two looks whether the producer still works, while one waits."""


class Trouble:
    """Whether a producer has failed: nothing that it still holds will be sent.

    Attributes:
        reason: the first failure; None while there is none.
    """

    def __init__(self) -> None:
        self.reason: Exception | None = None

    def __call__(self, reason: Exception) -> None:
        """It has failed."""
        self.reason = self.reason or reason


class Emission(Future[None]):
    """Emit first, then commit: the commit is sent by whoever hears of the last acknowledgement. Done when that commit
    has arrived or something has failed, or when Kafka has not acknowledged all in time; they may yet arrive then, and
    so may the commit.

    Args:
        events: so many are sent.
        commit: sends the commit; not called if an event was not acknowledged.
        trouble: of the producer.
    """

    def __init__(
        self, events: int, commit: Callable[[], Future[None]], trouble: Trouble, patience: float = PATIENCE
    ) -> None:
        super().__init__()
        self.deliveries = Deliveries(events, self._acknowledged)
        self._trouble = trouble
        self._events, self._send, self._patience = events, commit, patience
        self._until, self._heard = time.monotonic() + patience, False

    def done(self) -> bool:
        """Whether `result` returns, or raises, at once."""
        lost = self._trouble.reason is not None or time.monotonic() >= self._until
        return super().done() or (lost and not self._heard)

    def result(self, timeout: float | None = None) -> None:
        """Wait until the commit has arrived. Raises what went wrong.

        Raises:
            DeliveryFailed: Kafka has not acknowledged all events.
        """
        while not self._heard and not super().done():
            if (reason := self._trouble.reason) is not None:
                raise DeliveryFailed(f"Of what was emitted Kafka has refused an event: {reason}", 1) from reason
            if time.monotonic() >= self._until:
                raise DeliveryFailed(
                    f"Kafka has not acknowledged {self._events} emitted events within {self._patience:g} s.",
                    self._events,
                )
            waited([self], LOOK)
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
