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
"""Seconds without progress after which a process may be at the end of the log."""
PATIENCE = 60.0
"""Seconds for which a process may be late with its next progress."""


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


def rate(found: Sequence[Mark], warm: float, seconds: float, total: int) -> float | None:
    """Events per second in a stretch of at least so many seconds that begins `warm` seconds after the first mark.

    Args:
        total: events of the topic; the stretch of who is at its end is shorter.

    Returns:
        None while there are not enough marks.
    """
    first = next((mark for mark in found if mark.at - found[0].at >= warm), None)
    if first is None:
        return None
    last = next((mark for mark in found if mark.at - first.at >= seconds), found[-1])
    if last.events <= first.events or (last.at - first.at < seconds and last.events < total):
        return None
    return (last.events - first.events) / (last.at - first.at)


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

    The file is read when the time is over, or when it grows no more: the machine is measured.

    Raises:
        Standstill: it does not begin, or does not go on.
    """
    begun(name, counting)
    until, size, grown = time.monotonic() + warm + seconds, 0, time.monotonic()
    while counting.process.poll() is None and time.monotonic() < until + PATIENCE:
        time.sleep(0.2)
        now = counting.file.stat().st_size
        if now != size:
            size, grown = now, time.monotonic()
        if time.monotonic() > min(until, grown + STILL):
            found = rate(marks(counting.file), warm, seconds, total)
            if found is not None:
                return found
    raise Standstill(f"{name} has stopped, or stands still; see {counting.file}.")
