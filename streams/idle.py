"""When a member of a group that is given nothing lets its membership lapse. No I/O.

Cooperative members rebalance in two rounds: whoever has too much gives it up and asks for the second round, in which
others get it. One that dies in between and comes back under its name, as static members do, is handed its old share
without a round: nobody asks for the second one, and what was given up stays nobody's. The end of any membership begins
a rebalance, which gives it to somebody; so a member that has waited in vain lets its own end, and joins again.
"""

from __future__ import annotations

FIRST = 20.0
"""Seconds that it waits in vain."""
LONGEST = 600.0
"""Seconds at most: it waits twice as long each time, as a group may have more members than partitions."""


class Idle:
    """Judges one member.

    Args:
        now: any clock's seconds.
    """

    def __init__(self, now: float) -> None:
        self._since, self._patience = now, FIRST

    def must_lapse(self, now: float, has_some: bool) -> bool:
        """Whether it is time; then the wait begins anew.

        Args:
            has_some: whether it has partitions.
        """
        if has_some:
            self._since, self._patience = now, FIRST
        if now - self._since < self._patience:
            return False
        self._since, self._patience = now, min(LONGEST, 2 * self._patience)
        return True
