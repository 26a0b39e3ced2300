"""Whether an implementation is asked: one that keeps failing is taken out of rotation, and comes back by itself.

It may fail `BUDGET` times, and each answer earns a part of a failure back. So one that fails seldom is never out, one
that fails more than one time in five is, and one that only fails is out after ten requests. From then on a single
request in `PAUSE` is spent on it; the first that it answers brings it back.

Nor is one that holds the event loop beyond its deadline, as everybody else waits for that: after `HOLDS` times within a
minute it is out for a minute, whether it answers or not, and from then on after each time.
"""

from __future__ import annotations

import logging
import time

LOGGER = logging.getLogger("millrace.answers")

BUDGET = 10.0
"""Failures that are not earned back, after which an implementation is out."""
EARNED = 0.25
"""Failures that one answer earns back."""
PAUSE = 1.0
"""Seconds between two requests that an implementation is tried with while it is out."""
HOLDS, MINUTE = 5, 60.0
HELD = "it holds the event loop, and every other answer with it; make it a plain def, or await what takes so long"


class Rotation:
    """The state of one implementation's code; for one thread, that of the event loop.

    Args:
        title: of the implementation, for the log.

    Attributes:
        spent: failures that were not earned back.
        since: when it was taken out, in seconds since the epoch; None while it is asked.
        fault: why it could not answer when it was last asked, where it asks a storage for what that cannot do; None =
            it answered since, or had another reason.
    """

    __slots__ = ("_again", "_back", "_holds", "_said", "_title", "fault", "since", "spent")

    def __init__(self, title: str) -> None:
        self._title = title
        self.spent = 0.0
        self.since: float | None = None
        self.fault: str | None = None
        self._said: str | None = None
        self._again = self._back = 0.0
        self._holds: list[float] = []

    def failed(self, fault: str | None = None) -> None:
        """It gave no answer; a fault is said in the log once."""
        self.spent += 1
        self.fault = fault
        if fault is not None and fault != self._said:
            self._said = fault
            LOGGER.error("%s cannot answer: %s", self._title, fault)
        if self.since is None and self.spent >= BUDGET:
            self.since = time.time()
            LOGGER.error("%s keeps failing and is out of rotation; it is tried once a second.", self._title)
        self._again = time.monotonic() + PAUSE

    def held(self) -> None:
        """It held the event loop for longer than its deadline."""
        now = time.monotonic()
        if not self._back:  # it was never out for this
            self._holds = [*(at for at in self._holds if at > now - MINUTE), now]
            if len(self._holds) < HOLDS:
                return
            LOGGER.error("%s is out of rotation for a minute: %s.", self._title, HELD)
        self._back, self.fault, self.spent = now + MINUTE, HELD, BUDGET
        self.since = self.since or time.time()

    def answered(self) -> None:
        """It gave one."""
        if time.monotonic() < self._back:
            return
        if self.since is not None:
            LOGGER.warning("%s answers again and is back in rotation.", self._title)
            self.since, self.spent = None, 0.0
        self.spent, self.fault = max(0.0, self.spent - EARNED), None

    def turn(self) -> bool:
        """Whether an implementation that is out is tried with this request."""
        now = time.monotonic()
        due = now >= max(self._again, self._back)
        if due:
            self._again = now + PAUSE  # nobody else tries meanwhile
        return due
