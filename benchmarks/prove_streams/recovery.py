"""SIGKILL to one of two workers: how long until all of its partitions are committed again, by another process."""

from __future__ import annotations

import random
import time
from collections.abc import Collection
from pathlib import Path

import psutil

from benchmarks.prove_storage.member import Line, Tail, until
from benchmarks.prove_streams.extent import Extent
from benchmarks.prove_streams.freshness import PATIENCE, loading
from benchmarks.prove_streams.stage import broker, learning, own_redis
from benchmarks.report import say

RATE = 5_000.0
WORKERS = 2
PARTITIONS = 4
Partition = tuple[str, int]


def measure(folder: Path, extent: Extent) -> dict[str, float | None]:
    """The longest recovery, in seconds."""
    chance, found = random.Random(), []
    with broker(folder / "stack") as settings, own_redis(folder / "user", settings) as own:
        with learning(folder / "user", own, "user", WORKERS) as counting:
            owners = Owners(counting.file)
            with loading(folder / "load", own, counting.file, RATE):
                for _ in range(extent.kills):
                    until(lambda: len(owners.processes()) == WORKERS, PATIENCE, "The sharing of partitions")
                    time.sleep(1.0 + chance.random())
                    found.append(_killed(owners, chance.choice(sorted(owners.processes()))))
    say(f"partitions moved again {', '.join(f'{each:.2f}' for each in found)} s after their worker was killed")
    return {"recovery_s": round(max(found), 2)}


def _killed(owners: Owners, process: int) -> float:
    """Seconds from the kill to the first commit of the last of its partitions."""
    partitions = owners.of(process)
    at = time.time()
    psutil.Process(process).kill()
    until(lambda: owners.moved(partitions, process), PATIENCE, f"Recovery of {len(partitions)} partitions")
    return max(owners.first(partition, at, process) for partition in partitions) - at


class Owners:
    """Who has committed what, by the trace that all workers write."""

    def __init__(self, trace: Path) -> None:
        self._tail, self._lines = Tail(trace), list[Line]()

    def processes(self) -> set[int]:
        """Those that have committed some partition last; none before each partition was committed by one that lives."""
        last = self._last()
        found = set(last.values())
        return found if len(last) == PARTITIONS and all(map(psutil.pid_exists, found)) else set()

    def of(self, process: int) -> list[Partition]:
        """The partitions that it has committed last."""
        return [partition for partition, owner in self._last().items() if owner == process]

    def moved(self, partitions: Collection[Partition], process: int) -> bool:
        """Whether another process has committed all of these since."""
        last = self._last()
        return all(last[partition] != process for partition in partitions)

    def first(self, partition: Partition, since: float, but: int) -> float:
        """When another process has committed a partition (seconds since 1970)."""
        return min(
            float(line["at"])
            for line in self._lines
            if line["at"] > since and line["process"] != but and tuple(line["committed"][:2]) == partition
        )

    def _last(self) -> dict[Partition, int]:
        lines: list[Line] = []
        self._tail.into(lines)
        self._lines += [line for line in lines if "committed" in line]
        return {(line["committed"][0], line["committed"][1]): line["process"] for line in self._lines}
