"""Python's garbage collector, as a process that runs for long wants it."""

from __future__ import annotations

import gc

SELDOM = 10_000, 20, 50
"""New objects, and collections of the younger generation, after which a generation is looked through."""


def settle(seldom: tuple[int, int, int] = SELDOM) -> None:
    """What is there by now stays: the collector looks at it no more. What comes after it is looked at less often.

    A service that has started holds some hundred thousand objects for good, and each answer makes a few more that go by
    themselves. Looking for cycles among them took a fifth of an answer's time. Blocks for some 50 ms, once.

    Args:
        seldom: after how many, as `SELDOM`.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*seldom)
