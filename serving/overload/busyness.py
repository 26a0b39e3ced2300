"""How busy this thread is: which part of the time it had work, whether or not it was given a processor for it."""

from __future__ import annotations

import time
from pathlib import Path

_LINUX = Path("/proc/thread-self/schedstat")
"""Nanoseconds on a processor, and nanoseconds of waiting for one (Linux: Documentation/scheduler/sched-stats)."""


class Busyness:
    """Of the thread that calls it, since the last call. Where the system does not tell how long a thread waited for a
    processor, the time that it had one has to do."""

    def __init__(self) -> None:
        self._worked, self._at = _worked(), time.monotonic()

    def since(self) -> tuple[float, float]:
        """Seconds since the last call, and which part of them this thread had work: from 0 to about 1."""
        worked, now = _worked(), time.monotonic()
        seconds, part = now - self._at, (worked - self._worked) / max(now - self._at, 1e-9)
        self._worked, self._at = worked, now
        return seconds, part


def _worked() -> float:
    try:
        ran, waited, _ = _LINUX.read_bytes().split()
        return (int(ran) + int(waited)) / 1e9
    except (OSError, ValueError):
        return time.thread_time()
