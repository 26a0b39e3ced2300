"""A token bucket: how often a key may ask. Pure; the clock is passed in."""

from __future__ import annotations

from serving.access.keys import Rate


class Bucket:
    """Holds as many requests as its rate counts, and is refilled evenly; full at first.

    So in any span of `seconds` at most twice the count passes, and in the long run the rate.
    """

    __slots__ = ("_at", "_level", "_per_second", "policy", "rate")

    def __init__(self, rate: Rate, now: float) -> None:
        self.rate = rate
        self.policy = b'"key";q=%d;w=%d' % (rate.count, rate.seconds)
        self._per_second = rate.count / rate.seconds
        self._level, self._at = float(rate.count), now

    def take(self, now: float) -> float:
        """Take one request: 0.0 where there was one, else the seconds until there is. `now` in seconds, monotonic."""
        level = min(self.rate.count, self._level + (now - self._at) * self._per_second)
        self._at = now
        if level >= 1.0:
            self._level = level - 1.0
            return 0.0
        self._level = level
        return (1.0 - level) / self._per_second

    @property
    def left(self) -> int:
        """Requests that could pass at the moment of the last one."""
        return int(self._level)
