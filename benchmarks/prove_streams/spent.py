"""CPU that the processes of a measurement have used, by what they are."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress

import psutil

SERVERS = {"redis-server": "redis", "valkey-server": "redis", "java": "servers", "postgres": "servers"}
"""By the program's name; what is none of these is a worker."""
Spent = dict[str, float]
"""Microseconds of CPU for each event, by part: "worker" and "redis"."""


def seconds() -> Counter[str]:
    """Of CPU, by part, of all processes that this one has started; those that have ended count as their parent's."""
    found: Counter[str] = Counter()
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            found[SERVERS.get(process.name(), "worker")] += sum(process.cpu_times()[:4])
    return found


def each(before: Counter[str], after: Counter[str], events: int) -> Spent:
    """For each of so many events."""
    return {part: 1e6 * (after[part] - before[part]) / max(1, events) for part in ("worker", "redis")}
