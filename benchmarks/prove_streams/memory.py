"""The worker's memory while it counts per user: resident after ten million events by that after one million."""

from __future__ import annotations

import time
from pathlib import Path
from statistics import median

import psutil

from benchmarks.prove_streams import plays
from benchmarks.prove_streams.extent import Extent
from benchmarks.prove_streams.progress import PATIENCE, STILL, Counting, Standstill, begun, marks
from benchmarks.prove_streams.stage import broker, learning, own_redis, rows
from benchmarks.report import say

EVERY = 0.05
SPAN = 0.2
"""The memory after so many events is the median of what was seen between this share below and above them."""
Seen = list[tuple[float, int]]
"""Resident bytes by time (seconds since 1970)."""


def measure(folder: Path, extent: Extent) -> dict[str, float | None]:
    """The ratio; what was counted is compared with the log."""
    few, many = extent.memory
    with broker(folder / "stack") as settings, own_redis(folder / "user", settings) as own:
        plays.fill(settings, many)
        with learning(folder / "user", own, "user") as counting:
            begun("the worker", counting)
            seen = _watched(counting, many)
        total = int(rows(folder / "user" / "plays", own, "counts")["value"].sum())
    if total != many:
        raise RuntimeError(f"{many:,} events were sent, and {total:,} were counted.")
    found = [resident(seen, counting.file, events) for events in (few, many)]
    say(f"resident after {few:,} events {found[0] / 1e6:.0f} MB, after {many:,} events {found[1] / 1e6:.0f} MB")
    return {"rss_ratio": round(found[1] / found[0], 3)}


def resident(seen: Seen, trace: Path, events: int) -> float:
    """Bytes around the time when so many events were committed."""
    done = marks(trace)
    around = [mark.at for mark in done if abs(mark.events - events) <= SPAN * events]
    here = [size for at, size in seen if around[0] <= at <= around[-1] + EVERY]
    if not here:
        raise Standstill(f"Nothing was seen of the memory around {events:,} events.")
    return median(here)


def _watched(counting: Counting, total: int) -> Seen:
    """Until all is committed. The file is only read when it stands still."""
    [worker] = psutil.Process(counting.process.pid).children()
    seen: Seen = []
    size, grown = 0, time.monotonic()
    while time.monotonic() - grown < PATIENCE:
        seen.append((time.time(), worker.memory_info().rss))
        now = counting.file.stat().st_size
        if now != size:
            size, grown = now, time.monotonic()
        elif time.monotonic() - grown > STILL and marks(counting.file)[-1].events == total:
            return seen
        time.sleep(EVERY)
    raise Standstill(f"The worker stands still before the end of the log; see {counting.file}.")
