"""What one unit has emitted and not yet committed: each event beside the one for which it was emitted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from learners.errors import EmitRefused
from schemas import EventType
from streams import MOST_EMITTED

_NONE = np.empty(0, np.int64)
_AROUND = 200
"""Bytes that Python's objects around one event take, about."""


class Outgoing(NamedTuple):
    """One event on its way to Kafka.

    Attributes:
        body: in Avro, without the schema's id; or all of the value, where `raw`.
        offset, number: of the event that it was emitted for, and how many were emitted to the topic for that before.
        timestamp_ms: the log's time for it; None = that of its sending.
        headers: which it has beside those that say its source.
    """

    event_type: EventType
    key: bytes | None
    body: bytes
    offset: int
    number: int
    raw: bool = False
    timestamp_ms: int | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()


class Outbox:
    """Collects a unit's events. Belongs to one thread.

    Attributes:
        at: the offset of the event being folded, where events are folded one by one.
        size: about how many bytes of memory its events take.
    """

    def __init__(self) -> None:
        self.at: int | None = None
        self.size = 0
        self._offsets = _NONE
        self._numbers: Counter[tuple[str, int]] = Counter()
        self._collected: dict[str, list[Outgoing]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._collected.values()))

    def begin(self, offsets: NDArray[np.int64]) -> None:
        """These events are folded now, and may be emitted for."""
        self._offsets, self.at = offsets, None
        self._numbers.clear()

    def number(self, topic: str, offset: int) -> int:
        """The next number of what is emitted to a topic for an event.

        Raises:
            EmitRefused: the event is not being folded, or too many are emitted for it.
        """
        row = int(np.searchsorted(self._offsets, offset))
        if row == len(self._offsets) or self._offsets[row] != offset:
            raise EmitRefused(f"An event of {topic} is emitted for the offset {offset}, which is not being folded.")
        number = self._numbers[topic, offset]
        if number >= MOST_EMITTED:
            raise EmitRefused(f"More than {MOST_EMITTED:,} events of {topic} are emitted for the offset {offset}.")
        self._numbers[topic, offset] = number + 1
        return number

    def add(self, event: Outgoing) -> None:
        """One more event."""
        self.size += len(event.body) + _AROUND
        self._collected.setdefault(event.event_type.topic, []).append(event)

    def take(self) -> list[Outgoing]:
        """Hand all over, those of each topic in the order of what they were emitted for."""
        found, self._collected, self.size = self._collected, {}, 0
        return list(_in_order(found))


def _in_order(collected: dict[str, list[Outgoing]]) -> Iterator[Outgoing]:
    for events in collected.values():
        yield from sorted(events, key=lambda event: (event.offset, event.number))
