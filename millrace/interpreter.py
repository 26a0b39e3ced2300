"""What Python does by itself in a process that folds or archives events, and how often."""

from __future__ import annotations

import sys

from millrace.garbage import settle

TURN = 0.0005
"""Seconds for which a thread has Python to itself while others want it. What writes to a store needs Python a few times
only for a moment, but the store has nothing to do meanwhile; Python's usual 5 ms are longer than a commit takes."""
SELDOM = 20_000, 20, 20
"""See `millrace.garbage`."""


def settle_for_events() -> None:
    """Short turns between threads, and rare searches for cycles: messages and rows are made by the thousand, none of
    them in a cycle, and after each seven hundred Python would look for one, now and then among all that was imported: a
    third of a worker's CPU. Of this whole process, once all is imported."""
    sys.setswitchinterval(TURN)
    settle(SELDOM)
