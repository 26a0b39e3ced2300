"""What an event costs a worker in CPU: on a topic of one partition and of many, and in one worker and in two.

It is taken from when each worker has its share of the partitions until all events are committed. What is delivered
counts at the beginning and what is committed at the end: were it what is committed both times, whoever has more commits
waiting for the same Redis would seem to work more for each event.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from benchmarks.prove_streams import plays, spent
from benchmarks.prove_streams.extent import Extent
from benchmarks.prove_streams.progress import Counting, Standstill, begun, lines, marks
from benchmarks.prove_streams.stage import broker, learning, own_redis
from benchmarks.report import say
from millrace.settings import Settings

EVENTS = 3_000_000
ROUNDS = 3
PATIENCE = 120.0
"""Seconds for which the partitions may take to be shared, or the events to be committed."""
MOST = {"cpu_ratio.partitions": 1.15, "cpu_ratio.workers": 1.15}


def measure(folder: Path, extent: Extent) -> dict[str, float | None]:
    """Microseconds of the workers' CPU for each event, by those on one partition in one worker."""
    few, many = extent.partitions
    one = _costs(folder / "few", extent, few, (1,))
    more = _costs(folder / "many", extent, many, (1, 2))
    say(f"CPU of an event: {few} partitions {one[1]:.2f} us, {many} {more[1]:.2f} us, in two workers {more[2]:.2f} us")
    return {
        "cpu_ratio.partitions": round(more[1] / one[1], 3),
        "cpu_ratio.workers": round(more[2] / more[1], 3),
    }


def _costs(folder: Path, extent: Extent, partitions: int, workers: tuple[int, ...]) -> dict[int, float]:
    """By how many workers share the topic; they take turns."""
    events = min(EVENTS, extent.events)
    found: dict[int, list[float]] = {number: [] for number in workers}
    with broker(folder / "stack", partitions=partitions) as settings:
        plays.fill(settings, events)
        for turn in range(min(ROUNDS, extent.rounds)):
            for number in workers:
                cost = _cost(folder / f"{number}-{turn}", settings, number, extent.warm, events)
                say(f"{partitions} partitions in {number}: CPU of an event {cost:.2f} us")
                found[number].append(cost)
    return {number: median(costs) for number, costs in found.items()}


def _cost(folder: Path, settings: Settings, workers: int, warm: float, events: int) -> float:
    with own_redis(folder, settings) as own, learning(folder, own, "user", workers) as counting:
        begun(f"{workers} of us", counting)
        _wait(counting, lambda: len({line["process"] for line in lines(counting.file) if "claimed" in line}) == workers)
        time.sleep(warm)
        first, before = _delivered(counting.file), spent.seconds()
        _wait(counting, lambda: marks(counting.file)[-1].events >= events)
        return spent.each(before, spent.seconds(), events - first)["worker"]


def _wait(counting: Counting, reached: Callable[[], bool]) -> None:
    """Raises Standstill where it takes too long."""
    until = time.monotonic() + PATIENCE
    while not reached():
        if counting.process.poll() is not None or time.monotonic() > until:
            raise Standstill(f"A worker has stopped, or stands still; see {counting.file}.")
        time.sleep(0.1)


def _delivered(file: Path) -> int:
    """Events that have reached the workers and were not given up since, as whoever claims a unit begins where that
    stands."""
    positions: dict[tuple[str, int], int] = {}
    for line in lines(file):
        for topic, partition, position in [line[name] for name in ("delivered", "claimed") if name in line]:
            positions[topic, partition] = position or 0
    return sum(positions.values())
