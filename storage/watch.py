"""Who is silent, told by one clock: a sign of life counts as long as it changes, whatever it says.

Wall clocks of two machines may differ by more than a minute. So who looks twice does not compare them: he sees whether
what he saw before is still the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping

from storage.retention import SILENCE, Sign

Signs = Mapping[Sign, Hashable]


class Watch:
    """The signs of life of one technology. Not thread-safe.

    Args:
        clock: seconds, which never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[Sign, tuple[Hashable, float]] = {}

    def look(self, signs: Signs) -> frozenset[Sign]:
        """Which of these signs have been the same for `SILENCE`; none at the first look."""
        now = self._clock()
        before = self._seen
        self._seen = {
            sign: before[sign] if sign in before and before[sign][0] == value else (value, now)
            for sign, value in signs.items()
        }
        return frozenset(sign for sign, (_, since) in self._seen.items() if now - since >= SILENCE.total_seconds())
