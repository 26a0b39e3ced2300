"""What an event costs a worker in CPU: on a topic of one partition and of many, and in one worker and in two."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks.prove_streams import plays
from benchmarks.prove_streams.contestants import Contestant
from benchmarks.prove_streams.extent import Extent
from benchmarks.prove_streams.progress import Counting
from benchmarks.prove_streams.stage import broker, learning, own_redis
from benchmarks.prove_streams.turns import Course
from benchmarks.report import say
from millrace.settings import Settings

EVENTS = 2_000_000
ROUNDS = 2
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
    """By how many workers share the topic."""
    with broker(folder / "stack", partitions=partitions) as settings:
        events = min(EVENTS, extent.events)
        plays.fill(settings, events)
        course = Course(folder, settings, replace(extent, events=events))
        running: dict[str, Contestant] = {f"{partitions}-{number}": partial(_sharing, number) for number in workers}
        for _ in range(min(ROUNDS, extent.rounds)):
            course.run(running, extent.seconds)
    return {number: median(cpu["worker"] for cpu in course.cpu[f"{partitions}-{number}"]) for number in workers}


@contextmanager
def _sharing(workers: int, folder: Path, settings: Settings) -> Iterator[Counting]:
    with own_redis(folder, settings) as own, learning(folder, own, "user", workers) as counting:
        yield counting
