"""Runs a product's workers under a supervisor."""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path

from learners import Supervisor


def run_learn(folder: Path, processes: int, name: str, trace: Path | None) -> None:
    """Keep `processes` workers running until SIGTERM or SIGINT; each child's name ends in its number. Blocks."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    command = [sys.executable, "-m", "millrace", "worker", str(folder), f"{name}-{{number}}"]
    if trace is not None:
        command += ["--trace", str(trace)]
    Supervisor(command, processes).run(stop)
