"""Worker processes under attack, and the evidence of what each attack has hit."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def until(condition: Callable[[], object], patience: float = 30.0, what: str = "it") -> None:
    """Wait for a condition; fails when it does not come."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen within {patience:.0f} s"
        time.sleep(0.002)


class WorkerProcess:
    """A worker under one member name, started again after each kill; its trace goes on in one file."""

    def __init__(self, arguments: list[str], member: str, folder: Path) -> None:
        self.member = member
        self.trace = folder / f"{member}.jsonl"
        self._errors = (folder / f"{member}.log").open("ab")
        self._command = [sys.executable, "-m", "tests.faults.worker_process", *arguments, member, str(self.trace)]
        self._read = 0
        self.lines: list[dict[str, Any]] = []
        self.start()

    def start(self) -> None:
        """Start it, or start it again."""
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path[:0], str(ROOT)])}
        self.process = subprocess.Popen(self._command, cwd=ROOT, stderr=self._errors, env=environment)

    def kill(self) -> None:
        """SIGKILL; returns when the process is no more."""
        self.process.kill()
        self.process.wait()

    def tell(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def close(self) -> None:
        """End it in an orderly way, or, where that fails, by force."""
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        try:
            self.process.wait(15)
        finally:
            self.process.kill()
            self.process.wait()
            self._errors.close()

    def look(self) -> list[dict[str, Any]]:
        """Lines of the trace since the last look."""
        if not self.trace.exists():
            return []
        with self.trace.open("rb") as file:
            file.seek(self._read)
            raw = file.read()
        whole = raw[: raw.rfind(b"\n") + 1]
        self._read += len(whole)
        news = [json.loads(line) for line in whole.splitlines()]
        self.lines += news
        return news

    def until_delivered(self) -> None:
        """Wait until this process, as it now runs, has been handed messages that it has yet to commit."""
        self.look()
        number = self.process.pid
        until(
            lambda: any("delivered" in line and line["process"] == number for line in self.look()),
            what=f"a delivery to {self.member}",
        )

    def delivered(self, process: int) -> dict[tuple[str, int], int]:
        """How far messages had reached this process, per partition."""
        self.look()
        lines = [line for line in self.lines if "delivered" in line and line["process"] == process]
        return {(line["delivered"][0], line["delivered"][1]): line["delivered"][2] for line in lines}


def hit(before: Mapping[tuple[str, int], int], at: float, traces: Iterator[dict[str, Any]]) -> bool:
    """Whether a kill at time `at` hit messages that had been delivered and not been committed.

    True when the next claim of one of the partitions began below what had been delivered: these events were in the
    hands of the dead process, and were folded again by its successor.
    """
    claims: dict[tuple[str, str, int], tuple[float, int]] = {}
    for line in traces:
        if "claimed" in line and line["at"] > at:
            topic, partition, position = line["claimed"]
            key = (line["learner"], topic, partition)
            claims[key] = min(claims.get(key, (line["at"], position or 0)), (line["at"], position or 0))
    return any(position < before.get((topic, partition), 0) for (_, topic, partition), (_, position) in claims.items())
