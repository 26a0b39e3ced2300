"""How long Kafka keeps the events of a topic, and how long it then keeps what follows from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

TIME, SIZE, CLEANUP = "retention.ms", "retention.bytes", "cleanup.policy"
"""The settings of a topic that say it, under Kafka's names."""
WITHOUT_END = -1
_UNITS = ((86_400_000, "day"), (3_600_000, "hour"), (60_000, "minute"), (1_000, "second"))


@dataclass(frozen=True)
class Retention:
    """How long a topic keeps its events; -1 = without end.

    Attributes:
        ms: after which time.
        bytes: above which size of the topic, of all its partitions together.
        own: which of the settings the topic itself has, and not the broker for all topics.
    """

    ms: int
    bytes: int
    own: frozenset[str] = frozenset()

    @classmethod
    def of(cls, settings: Mapping[str, str], own: Iterable[str], partitions: int) -> Retention:
        """What a topic's settings say. One that is compacted keeps the newest event of each key without end, and so
        does what follows from it with all."""
        if "delete" not in settings[CLEANUP]:
            return cls(WITHOUT_END, WITHOUT_END, frozenset((TIME, SIZE)))
        ms, size = int(settings[TIME]), int(settings[SIZE])
        return cls(ms, size if size < 0 else size * partitions, frozenset(own) & {TIME, SIZE})

    def settings(self, partitions: int) -> dict[str, str]:
        """The settings of another topic that keeps its events as long, with so many partitions. What the broker says
        for all topics is left to it."""
        size = self.bytes if self.bytes < 0 else -(-self.bytes // partitions)
        return {name: str(value) for name, value in ((TIME, self.ms), (SIZE, size)) if name in self.own}

    def shorter(self, other: Retention) -> bool:
        """Whether it keeps events less long than another does."""
        return _more(other.ms, self.ms) or _more(other.bytes, self.bytes)

    def __str__(self) -> str:
        told = [] if self.ms < 0 else [_time(self.ms)]
        if self.bytes >= 0:
            told.append(f"{self.bytes / 1e6:,.0f} MB")
        return " or ".join(told) or "without end"


def longest(found: Iterable[Retention]) -> Retention:
    """Of each setting the one that keeps events longest. At least one is given."""
    every = list(found)
    time = max(every, key=lambda one: (one.ms < 0, one.ms))
    size = max(every, key=lambda one: (one.bytes < 0, one.bytes))
    return Retention(time.ms, size.bytes, time.own & {TIME} | size.own & {SIZE})


def _more(one: int, other: int) -> bool:
    return other >= 0 and (one < 0 or one > other)


def _time(ms: int) -> str:
    for unit, name in _UNITS:
        if ms % unit == 0 and ms:
            return f"{ms // unit:,} {name}{'s' * (ms != unit)}"
    return f"{ms:,} ms"
