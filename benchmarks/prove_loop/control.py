"""What the storages must hold, computed from the producer's file alone.

This shares nothing with the learners: plain dictionaries over the NDJSON lines that the proof wrote as it emitted.
The rules are those of examples/movies/README.md: which events count and how much.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

POSITIVE = 4
NEIGHBOURS = 30


@dataclass
class Expected:
    """Rows by storage, as an offline reader of the events expects them."""

    co_watched: dict[tuple[str, str], float] = field(default_factory=lambda: defaultdict(float))
    popular: dict[tuple[str, str], list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))
    history: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))


@dataclass(frozen=True)
class Difference:
    """Events whose effect is missing from the rows, events counted more than once, and rows compared."""

    lost: int
    duplicated: int
    rows: int

    def __add__(self, other: Difference) -> Difference:
        return Difference(self.lost + other.lost, self.duplicated + other.duplicated, self.rows + other.rows)


def read(path: Path) -> Iterable[dict[str, object]]:
    """The events of a producer's file, in the order they were emitted."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def compare_counts(expected: Mapping[tuple[str, str], float], found: Mapping[tuple[str, str], float]) -> Difference:
    """Integers, exactly: each unit below counts as lost, each above as duplicated."""
    lost = duplicated = 0
    for key in expected.keys() | found.keys():
        difference = found.get(key, 0) - expected.get(key, 0)
        lost += max(0, -round(difference))
        duplicated += max(0, round(difference))
        if difference != round(difference):
            lost += 1
    return Difference(lost, duplicated, len(expected))


def compare_decayed(expected: Mapping[tuple[str, str], float], found: Mapping[tuple[str, str], float]) -> Difference:
    """Decayed sums, at 1e-9 relative: a row further below has lost, one further above has doubled at least one."""
    lost = duplicated = 0
    for key in expected.keys() | found.keys():
        want, have = expected.get(key, 0.0), found.get(key, 0.0)
        if not math.isclose(want, have, rel_tol=1e-9):
            lost += have < want
            duplicated += have > want
    return Difference(lost, duplicated, len(expected))


def decayed(times: Iterable[tuple[float, float]], newest: float, half_life: float) -> float:
    """Sum of weight * 2^-(age / half life) at the newest event's time; times in seconds."""
    return math.fsum(weight * 2.0 ** ((moment - newest) / half_life) for moment, weight in times)


def seconds(text: str) -> float:
    """An ISO-8601 time in seconds since 1970, at the milliseconds that Avro keeps."""
    return math.floor(datetime.fromisoformat(text).timestamp() * 1000 + 0.5) / 1000


def latest(size: int) -> deque[str]:
    """The last `size` entries of a list."""
    return deque(maxlen=size)
