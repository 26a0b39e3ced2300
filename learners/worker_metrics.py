"""What a worker counts of itself, in Prometheus' text format: written by its own thread, read by any other."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from learners.partition import Partition
from learners.unit import State, Unit
from schemas.exposition import metric
from streams import Rejected

Place = tuple[str, int]


class WorkerMetrics:
    """One worker's. Counters of a unit begin anew where it is given to a worker.

    Attributes:
        text: as of the newest look.
    """

    def __init__(self) -> None:
        self.text = ""
        self._buried: Counter[str] = Counter()

    def buried(self, letters: Sequence[Rejected]) -> None:
        """These events have become dead letters."""
        self._buried.update(letter.topic for letter in letters)

    def look(self, partitions: Sequence[Partition], ends: Mapping[Place, int]) -> None:
        """Write all of it anew.

        Args:
            ends: where the logs of the worker's partitions end, as of their last fetch.
        """
        self.text = "".join(f"{line}\n" for line in self._lines(partitions, ends))

    def _lines(self, partitions: Sequence[Partition], ends: Mapping[Place, int]) -> Iterator[str]:
        units = [(_labels(unit), unit) for partition in partitions for unit in partition.units]
        counts = Counter(unit.state for _, unit in units)
        waiting = [(unit, at, ends.get((unit.id.topic, unit.id.partition))) for at, unit in units]
        lag = [(at, max(0, end - (unit.committed or 0))) for unit, at, end in waiting if end is not None]
        yield from metric(
            "millrace_worker_events_total", "counter", "Events folded.", [(at, unit.folded) for at, unit in units]
        )
        words = "Events of the log, as it was last fetched, that are not committed."
        yield from metric("millrace_worker_lag_events", "gauge", words, lag)
        words = "Commits that the storages have acknowledged."
        commits = [(at, unit.commits) for at, unit in units]
        yield from metric("millrace_worker_commits_total", "counter", words, commits)
        words = "From the sending of commits, with what is emitted before them, until they were known to be there."
        seconds = [(at, round(unit.commit_seconds, 6)) for at, unit in units]
        yield from metric("millrace_worker_commit_seconds_total", "counter", words, seconds)
        words = "Events that this process has put among the dead letters."
        dead = [(f'topic="{topic}"', count) for topic, count in sorted(self._buried.items())]
        yield from metric("millrace_worker_dead_letters_total", "counter", words, dead)
        states = [(f'state="{state.value}"', counts[state]) for state in State]
        yield from metric("millrace_worker_units", "gauge", "Units by what they do.", states)
        yield from metric("millrace_worker_partitions", "gauge", "Partitions it has.", [("", len(partitions))])
        words = "Partitions that are not read now: their events wait for a storage, for memory, or no unit folds them."
        paused = sum(partition.paused for partition in partitions)
        yield from metric("millrace_worker_paused_partitions", "gauge", words, [("", paused)])
        words = "Bytes of events that are read and not committed."
        held = sum(partition.size for partition in partitions)
        yield from metric("millrace_worker_held_bytes", "gauge", words, [("", held)])
        if (resident := _resident()) is not None:
            words = "Bytes of memory of the process."
            yield from metric("process_resident_memory_bytes", "gauge", words, [("", resident)])
        words = "When all this was measured, in seconds since 1970: once a second while the worker works."
        yield from metric("millrace_worker_measured_seconds", "gauge", words, [("", round(time.time(), 3))])


def _labels(unit: Unit) -> str:
    at = unit.id
    return f'learner="{at.learner}",version="{at.version}",topic="{at.topic}",partition="{at.partition}"'


def _resident() -> int | None:
    """None where there is no /proc."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None
