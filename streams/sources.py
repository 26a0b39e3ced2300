"""Where emitted events come from: the event that a learner folded when it emitted them, in two headers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from confluent_kafka import Message
from numpy.typing import NDArray

from streams.dead_letters.headers import headers_in

SOURCE, POSITION = "millrace-source", "millrace-position"
INDEX_BITS = 20
MOST = 1 << INDEX_BITS
"""So many events may be emitted to a topic for one event, at most."""
NOWHERE = -1
_HIGHEST = (1 << 63 - INDEX_BITS) - 1


class Source(NamedTuple):
    """One unit that emits: a learner's version on one partition."""

    learner: str
    version: int
    topic: str
    partition: int

    def headers(self, offset: int, index: int) -> list[tuple[str, bytes | None]]:
        """The headers of what this unit emits: `sessions@2/clicks/0`, and `4711.0` for the first event that is emitted
        for the one at offset 4711."""
        name = f"{self.learner}@{self.version}/{self.topic}/{self.partition}"
        return [(SOURCE, name.encode()), (POSITION, b"%d.%d" % (offset, index))]


@dataclass(frozen=True, slots=True, eq=False)
class Sources:
    """The sources of a batch's rows.

    Attributes:
        names: `sessions/clicks/0`; a learner's versions have the same name, as an event's emissions count once.
        which: of each row the place of its source in `names`, or `NOWHERE` for one that no learner has emitted.
        positions: int64, of each row: offset and index in one number, which grows with them.
    """

    names: tuple[str, ...]
    which: NDArray[np.int32]
    positions: NDArray[np.int64]

    def at(self, rows: slice | NDArray[np.bool_]) -> Sources:
        """Those of some of the rows."""
        return Sources(self.names, self.which[rows], self.positions[rows])


def sources_of(messages: Sequence[Message]) -> Sources:
    """Where these messages come from. Headers that make no sense are as none."""
    found: dict[bytes, int] = {}
    names: dict[str, int] = {}
    which, positions = np.full(len(messages), NOWHERE, np.int32), np.full(len(messages), NOWHERE, np.int64)
    for row, message in enumerate(messages):
        source, position = _ours(message)
        if source is None or position is None:
            continue
        place = found.get(source)
        if place is None:
            name = _name(source)
            place = found[source] = NOWHERE if name is None else names.setdefault(name, len(names))
        which[row], positions[row] = place, position
    return Sources(tuple(names), which, positions)


def is_emitted(message: Message) -> bool:
    """Whether a learner has emitted it."""
    source, position = _ours(message)
    return source is not None and position is not None and _name(source) is not None


def without_source(headers: Sequence[tuple[str, bytes | None]]) -> list[tuple[str, bytes | None]]:
    """The headers that say nothing of where an event was emitted."""
    return [(name, value) for name, value in headers if name not in (SOURCE, POSITION)]


def _ours(message: Message) -> tuple[bytes | None, int | None]:
    source, position = None, None
    for name, value in headers_in(message):
        if name == SOURCE and isinstance(value, bytes):
            source = value
        elif name == POSITION and isinstance(value, bytes):
            position = _number(value)
    return source, position


def _number(text: bytes) -> int | None:
    offset, _, index = text.partition(b".")
    if not (offset.isdigit() and index.isdigit() and len(text) < 30):
        return None
    first, second = int(offset), int(index)
    return first << INDEX_BITS | second if first <= _HIGHEST and second < MOST else None


def _name(source: bytes) -> str | None:
    try:
        parts = source.decode().split("/")
    except UnicodeDecodeError:
        return None
    return None if len(parts) != 3 else "/".join((parts[0].partition("@")[0], *parts[1:]))
