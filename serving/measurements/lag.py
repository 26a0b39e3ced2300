"""How far a committed position is behind its log, in events and in seconds. No I/O."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from serving.measurements.arrivals import Arrivals


@dataclass(frozen=True, slots=True)
class Behind:
    """Events in the log that are not folded yet, and the age in seconds of the oldest of them (0 if there is none).

    `exact` is False when that event arrived before the measurements began: then it is at least `seconds` old."""

    events: int
    seconds: float
    exact: bool = True


LEVEL = Behind(0, 0.0)


def behind(position: int | None, ends: tuple[int, int] | None, at: float, arrivals: Arrivals) -> Behind | None:
    """Lag at time `at`: the events from `position` to the log's high end, and how long ago the first of them arrived.

    A unit without a position has everything that the log still holds before it. None if the ends are not known.
    """
    if ends is None:
        return None
    low, high = ends
    next_offset = low if position is None else max(low, position)
    if next_offset >= high:
        return LEVEL
    arrived, exact = arrivals.when(next_offset) or (at, True)
    return Behind(high - next_offset, max(0.0, at - arrived), exact)


def furthest(found: Iterable[Behind | None]) -> Behind | None:
    """Several units together: events summed, the seconds of the furthest; None if any is unknown or none given."""
    known = list(found)
    sure = [item for item in known if item is not None]
    if not sure or len(sure) < len(known):
        return None
    worst = max(sure, key=lambda item: item.seconds)
    return Behind(sum(item.events for item in sure), worst.seconds, worst.exact)
