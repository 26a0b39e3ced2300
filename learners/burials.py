"""What a worker says in its log of the dead letters it sends: a line for a topic and some seconds, not for each."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from streams import Rejected

log = logging.getLogger(__name__)

EVERY = 10.0
"""Seconds between two lines about one topic."""


class Burials:
    """Counts dead letters by topic, and says how many there were, the first at once."""

    def __init__(self) -> None:
        self._waiting: dict[str, tuple[int, Rejected]] = {}
        self._due: dict[str, float] = {}

    def tell(self, letters: Sequence[Rejected], now: float) -> None:
        """These were sent; say what is due of them, and of those before. `now` is in seconds of a steady clock."""
        for letter in letters:
            count, first = self._waiting.get(letter.topic, (0, letter))
            self._waiting[letter.topic] = count + 1, first
        for topic in [name for name in self._waiting if now >= self._due.get(name, now)]:
            count, first = self._waiting.pop(topic)
            self._due[topic] = now + EVERY
            log.warning(
                "%d event%s of %s refused, the first at partition %d, offset %d (%s: %s); "
                "see millrace dead-letters list %s",
                count,
                "" if count == 1 else "s",
                topic,
                first.partition,
                first.offset,
                first.error,
                first.reason,
                topic,
            )
