"""How many events a process has counted, said to whoever measures it: one JSON line at most every tenth of a second."""

from __future__ import annotations

import json
import os
import time

EVERY = 0.1


class Count:
    """Adds up, and says so."""

    def __init__(self) -> None:
        self.events = 0
        self._due = 0.0

    def add(self, events: int) -> None:
        """So many more. Looks at the clock each time: give it a few at once where one call each is felt."""
        self.events += events
        now = time.time()
        if now >= self._due:
            self._due = now + EVERY
            os.write(
                1, json.dumps({"at": now, "events": self.events}).encode() + b"\n"
            )  # Faust has a stdout of its own


class CountOfEach(Count):
    """For those that handle one event at a time: the clock is looked at with every hundredth."""

    def __init__(self) -> None:
        super().__init__()
        self._few = 0

    def one(self) -> None:
        """One more."""
        self._few += 1
        if self._few == 100:
            self._few = 0
            self.add(100)
