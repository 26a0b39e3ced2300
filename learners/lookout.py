"""Whether a store still knows what it acknowledged: one that came back empty, or older, is noticed without an event."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from learners.errors import LearnerRefused
from learners.homes import Homes

log = logging.getLogger(__name__)

EVERY = 2.0
"""Seconds between two looks at one learner's storages."""


@dataclass(frozen=True)
class Forgotten:
    """What the store of a learner has forgotten.

    Attributes:
        behind: partitions whose position is behind what was acknowledged; their units have to claim again.
        declared: the storages were not there any more, and have been declared again.
        problem: why its units must not go on; None = they may.
    """

    behind: frozenset[int]
    declared: bool
    problem: str | None = None


class Lookout:
    """Looks in a thread of its own, at one learner after the other; a store that does not answer is looked at later."""

    def __init__(self, every: float = EVERY) -> None:
        self._every = every
        self._asked: dict[str, Future[Forgotten | None]] = {}
        self._due: dict[str, float] = {}
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="lookout")

    def look(self, homes: Homes, generation: int, committed: Callable[[], Mapping[int, int]]) -> Forgotten | None:
        """Look at these storages if it is time to; returns what an earlier look has found, once. Does not block.

        Args:
            committed: what was acknowledged until now, partition -> position; called if a look begins.
        """
        name = homes.declaration.name
        found, asked = None, self._asked.get(name)
        if asked is not None and asked.done():
            found = asked.result()
            del self._asked[name]
            self._due[name] = time.monotonic() + self._every
        elif asked is None and time.monotonic() >= self._due.get(name, 0.0):
            self._asked[name] = self._threads.submit(forgotten, homes, generation, dict(committed()))
        return found

    def close(self) -> None:
        """Look no more; a look that has begun is not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def forgotten(homes: Homes, generation: int, committed: Mapping[int, int]) -> Forgotten | None:
    """What a learner's store has forgotten of what it acknowledged; None if nothing, or if it does not answer.

    Storages that are not there any more are declared again, empty: the units that claim again fold into them.
    """
    try:
        missing = homes.missing(generation)
        if missing:
            homes.declare()
        behind = frozenset(
            partition
            for positions in homes.positions(generation)
            for partition, position in committed.items()
            if (positions.get(partition) or 0) < position
        )
    except LearnerRefused as error:
        return Forgotten(frozenset(), False, str(error))
    except Exception as error:  # it may be away, or damaged by another program: that ends no worker
        log.debug("%s is looked at later: %s: %s", homes.declaration.name, type(error).__name__, error)
        return None
    return Forgotten(behind, bool(missing)) if behind or missing else None
