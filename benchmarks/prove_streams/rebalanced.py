"""A worker's memory while another member joins its group and leaves it, again and again, under load."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median

import psutil
from confluent_kafka import Consumer

from benchmarks.prove_storage.member import Line, Tail, until
from benchmarks.prove_streams import plays
from benchmarks.prove_streams.extent import Extent
from benchmarks.prove_streams.freshness import PATIENCE, loading
from benchmarks.prove_streams.stage import broker, learning, own_redis
from benchmarks.report import say

RATE = 5_000.0
WARM = 20
"""After so many its memory is compared with that at the end."""
MOST = {"rss_ratio.rebalances": 1.1}


def measure(folder: Path, extent: Extent) -> dict[str, float | None]:
    """Resident bytes after all of them by those after the first."""
    with broker(folder / "stack") as settings, own_redis(folder / "user", settings) as own:
        with learning(folder / "user", own, "user") as counting, loading(folder / "load", own, counting.file, RATE):
            claims = Claims(counting.file)
            until(lambda: claims.count() >= own.partitions, PATIENCE, "The first claims")
            [worker] = psutil.Process(counting.process.pid).children()
            sizes, begun = [], time.monotonic()
            for _ in range(extent.rebalances // 2):
                with _guest(own.kafka) as guest:
                    until(lambda guest=guest: bool(guest.poll(0.05)) or guest.assignment(), PATIENCE, "A share")
                    before = claims.count()
                until(lambda before=before: claims.count() > before, PATIENCE, "Having all again")
                sizes.append(_resident(worker))
    warm, last = sizes[min(WARM // 2, len(sizes) - 1) - 1], sizes[-1]
    say(
        f"{extent.rebalances} rebalances in {time.monotonic() - begun:.0f} s: resident {warm / 1e6:.0f} MB after the "
        f"first, {last / 1e6:.0f} MB after all"
    )
    return {"rss_ratio.rebalances": round(last / warm, 3)}


@contextmanager
def _guest(kafka: str) -> Iterator[Consumer]:
    """A member that takes its share of the partitions, reads nothing of them, and gives it back."""
    options = {"bootstrap.servers": kafka, "group.id": "millrace-plays", "heartbeat.interval.ms": 500}
    with closing(Consumer({**options, "partition.assignment.strategy": "cooperative-sticky"})) as guest:
        guest.subscribe([plays.TOPIC])
        yield guest


def _resident(worker: psutil.Process) -> float:
    """The median of a short while."""
    seen = []
    for _ in range(5):
        seen.append(worker.memory_info().rss)
        time.sleep(0.02)
    return median(seen)


class Claims:
    """How often units were claimed, by a trace."""

    def __init__(self, trace: Path) -> None:
        self._tail, self._count = Tail(trace), 0

    def count(self) -> int:
        """Until now."""
        lines: list[Line] = []
        self._tail.into(lines)
        self._count += sum("claimed" in line for line in lines)
        return self._count
