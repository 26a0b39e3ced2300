"""A worker of the group under attack: the process that runs under its name now, and what its traces say."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.prove_storage.nursery import Nursery
from benchmarks.prove_storage.steps import Step

LONGEST = 150.0
"""So many seconds something is waited for: on a busy machine a server may take more than a minute to come back."""

Line = Mapping[str, Any]


def until(condition: Callable[[], object], patience: float, what: str) -> None:
    """Wait for a condition.

    Raises:
        TimeoutError: it does not come.
    """
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not happen within {patience:.0f} s.")
        time.sleep(0.003)


class Tail:
    """Reads a trace as it grows. Several threads may."""

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, threading.Lock()
        self._read = 0

    def into(self, lines: list[Line]) -> None:
        """Add the lines traced since the last time; one that a kill has cut off waits for its end."""
        with self._lock:
            if not self._path.exists():
                return
            with self._path.open("rb") as file:
                file.seek(self._read)
                raw = file.read()
            whole = raw[: raw.rfind(b"\n") + 1]
            self._read += len(whole)
            lines += [json.loads(line) for line in whole.splitlines()]


class Member:
    """One member's name in the consumer group, under which processes follow one another.

    Attributes:
        process: id of the one that runs now.
        lines: what all of them have traced, as far as it was looked at.
        trace: their file.
    """

    def __init__(self, nursery: Nursery, arguments: Mapping[str, Any], name: str, folder: Path) -> None:
        self.name = name
        self.process = 0
        self.lines: list[Line] = []
        self._nursery = nursery
        self.trace = folder / f"{name}.jsonl"
        self._arguments = {**arguments, "member": name, "trace": str(self.trace)}
        self._tail = Tail(self.trace)

    def start(self, step: Step | None = None) -> None:
        """Start a process under this name, whether one runs or not."""
        self.process = self._nursery.born({**self._arguments, "step": None if step is None else asdict(step)})

    def kill(self, process: int | None = None) -> None:
        """SIGKILL; returns when the process is no more. One that is none any more is no mistake."""
        process = self.process if process is None else process
        if not self._nursery.gone(process):
            os.kill(process, signal.SIGKILL)
            self._nursery.gone(process, wait=60)

    def end(self) -> None:
        """Ask it to end, and kill it if it does not."""
        if not self._nursery.gone(self.process):
            os.kill(self.process, signal.SIGTERM)
            try:
                until(self.is_gone, 10, f"the end of {self}")
            finally:
                self.kill()

    def is_gone(self) -> bool:
        """Whether its process has ended."""
        return self._nursery.gone(self.process)

    def thaw(self, process: int) -> None:
        """SIGCONT."""
        os.kill(process, signal.SIGCONT)

    def __str__(self) -> str:
        return f"{self.name} ({self.process})"

    def look(self) -> list[Line]:
        """All lines traced so far."""
        self._tail.into(self.lines)
        return self.lines

    def until_line(self, kind: str, process: int, patience: float = LONGEST) -> None:
        """Wait until a process has traced a new line of this kind, or has ended."""
        begin = len(self.look())
        until(lambda: self.has_line(kind, process, begin) or self._nursery.gone(process), patience, f"{kind} of {self}")

    def has_line(self, kind: str, process: int, begin: int = 0) -> bool:
        """Whether there is one among the lines from `begin` on."""
        return any(kind in line and line["process"] == process for line in self.look()[begin:])

    def delivered(self, process: int) -> dict[int, int]:
        """How far messages had reached a process, per partition."""
        lines = [line["delivered"] for line in self.look() if "delivered" in line and line["process"] == process]
        return {partition: position for _, partition, position in lines}
