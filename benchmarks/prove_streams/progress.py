"""How far a process is, by the lines that it writes: our workers' traces, or those of others (`peers/count.py`)."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

START = 180.0
"""Seconds in which the first progress must be seen."""
STILL = 3.0
"""Seconds without progress after which a process is at the end of the log, or has come to a standstill."""


@dataclass(frozen=True)
class Mark:
    """So many events were counted for good at this time (seconds since 1970)."""

    at: float
    events: int


class Counting(NamedTuple):
    """A process that counts, and the file that says how far it is."""

    process: subprocess.Popen[bytes]
    file: Path


class Standstill(Exception):
    """Something makes no progress; the message says what, and where to look."""


def lines(file: Path) -> Iterator[dict[str, Any]]:
    """The lines that are JSON objects; others, or the beginning of one, are passed over."""
    if not file.exists():
        return
    for line in file.read_bytes().splitlines():
        if line.startswith(b"{"):
            try:
                yield json.loads(line)
            except json.JSONDecodeError:
                continue


def marks(file: Path) -> list[Mark]:
    """All of a file, in order. A worker's position counts once the storage has acknowledged it."""
    found: list[Mark] = []
    positions: dict[tuple[str, str, int], int] = {}
    for line in lines(file):
        if "events" in line:
            found.append(Mark(line["at"], line["events"]))
        elif "committed" in line:
            topic, partition, position = line["committed"]
            positions[line["learner"], topic, partition] = position
            found.append(Mark(line["at"], sum(positions.values())))
    return found


def rate(found: Sequence[Mark], warm: float, seconds: float) -> float:
    """Events per second in a stretch of so many seconds, `warm` seconds after the first mark, or until the last.

    Raises:
        Standstill: there are too few marks to say.
    """
    counted = [mark for mark in found if warm <= mark.at - found[0].at <= warm + seconds]
    if len(counted) < 2 or counted[-1].at - counted[0].at < seconds / 10:
        raise Standstill("There was too little progress to be measured.")
    return (counted[-1].events - counted[0].events) / (counted[-1].at - counted[0].at)


def begun(name: str, counting: Counting) -> None:
    """Wait until it says that it counts. Blocks.

    Raises:
        Standstill: it does not.
    """
    until = time.monotonic() + START
    while not marks(counting.file):
        if counting.process.poll() is not None or time.monotonic() > until:
            raise Standstill(f"{name} does not begin; see {counting.file.parent}.")
        time.sleep(0.05)


def measured(name: str, counting: Counting, warm: float, seconds: float, total: int) -> float:
    """Wait until enough is in the file, and work the rate out. Blocks.

    Args:
        total: events of the topic; who is at its end need not go on.

    Raises:
        Standstill: it does not begin, or does not go on.
    """
    begun(name, counting)
    _wait(counting.file, warm + seconds)
    found = marks(counting.file)
    if found[-1].events < total and (counting.process.poll() is not None or time.time() - found[-1].at > STILL):
        raise Standstill(f"{name} stands still after {found[-1].events:,} of {total:,} events; see {counting.file}.")
    return rate(found, warm, seconds)


def _wait(file: Path, seconds: float) -> None:
    """Until the time is over or the file does not grow. Looks at the file's size alone: the machine is measured."""
    until, size, grown = time.monotonic() + seconds, 0, time.monotonic()
    while time.monotonic() < until and time.monotonic() - grown < STILL:
        time.sleep(0.2)
        now = file.stat().st_size
        if now != size:
            size, grown = now, time.monotonic()
