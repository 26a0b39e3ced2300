"""Kills the worker while it folds, and counts a kill only if it caught messages beyond the committed position."""

from __future__ import annotations

import json
import time
from pathlib import Path

import psutil

from benchmarks.prove_loop.stage import Stage


def kill_once(stage: Stage) -> bool:
    """SIGKILL the worker as soon as it has been handed new messages; whether some of them were not committed.

    What was handed over is read from the worker's trace, what was committed from the fences in Redis, both after the
    process is gone.
    """
    process, begin = _working(stage)
    process.kill()
    process.wait(10)
    delivered = _delivered(stage.trace, begin, process.pid)
    committed = _committed(stage)
    return any(committed.get(key, 0) < position for key, position in delivered.items())


def _working(stage: Stage, patience: float = 30.0) -> tuple[psutil.Process, int]:
    """The worker process, once its trace has grown, and the trace's size before that."""
    until = time.monotonic() + patience
    size = stage.trace.stat().st_size if stage.trace.exists() else 0
    while time.monotonic() < until:
        process = stage.worker()
        if process is not None and _delivered(stage.trace, size, process.pid):
            return process, size
        time.sleep(0.002)
    raise TimeoutError(f"The worker was not handed any message within {patience:.0f} s.")


def _delivered(trace: Path, begin: int, process: int) -> dict[tuple[str, int], int]:
    """The last position handed over to this process for each partition, by what was traced after the byte `begin`; a
    line cut off by the kill is left out."""
    if not trace.exists():
        return {}
    with trace.open("rb") as file:
        file.seek(begin)
        lines = file.read().splitlines()
    found: dict[tuple[str, int], int] = {}
    for line in lines:
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:
            continue
        if "delivered" in entry and entry["process"] == process:
            topic, partition, position = entry["delivered"]
            found[(topic, partition)] = max(position, found.get((topic, partition), 0))
    return found


def _committed(stage: Stage) -> dict[tuple[str, int], int]:
    """The position of the slowest unit of each partition."""
    found: dict[tuple[str, int], int] = {}
    for state in stage.meter.units():
        key = (state.unit.topic, state.unit.partition)
        found[key] = min(found.get(key, 1 << 62), state.next or 0)
    return found
