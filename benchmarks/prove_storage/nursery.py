"""Worker processes that are born in a millisecond: one process has imported everything, and forks them.

A hundred kills would otherwise be a hundred seconds of imports. Each worker is a process of its own with connections of
its own; only who was its parent differs from `millrace worker`.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from storage.kinds import KINDS

ROOT = Path(__file__).parents[2]
MODULES = ("prove_storage.worker_process", "prove_storage.one_commit", "prove_chain.chain_process")
"""Whose `run` a child may call."""


class Nursery:
    """The process that forks workers, and reaps them. When it ends, they end.

    Args:
        log: file for what the workers say on stderr.
    """

    def __init__(self, log: Path) -> None:
        self._lock = threading.Lock()
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.prove_storage.nursery"],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def born(self, arguments: Mapping[str, Any], module: str = "worker_process") -> int:
        """Process id of a new child, which calls the module's `run` with the arguments."""
        return self._ask({"born": dict(arguments), "module": module})

    def gone(self, process: int, wait: float = 0.0) -> bool:
        """Whether a worker is no more; until then nobody else gets its id. Blocks `wait` seconds at most for it."""
        return bool(self._ask({"gone": process, "wait": wait}))

    def close(self) -> None:
        """End all of them. Blocks."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()

    def _ask(self, question: dict[str, Any]) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()
            return int(self._process.stdout.readline())


def main() -> None:
    """Answer questions, one line each, until there are no more."""
    modules = {place.rpartition(".")[2]: import_module(f"benchmarks.{place}") for place in MODULES}
    for kind in KINDS.values():
        with suppress(ImportError):  # a driver that is not installed
            import_module(kind.module)
    living: set[int] = set()
    while line := sys.stdin.readline():
        question = json.loads(line)
        if "born" in question:
            process = _forked(modules[question["module"]].run, question["born"])
            living.add(process)
            _say(process)
        else:
            _say(int(_reaped(question["gone"], question["wait"], living)))
    for process in living:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)


def _forked(run: Any, arguments: dict[str, Any]) -> int:
    process = os.fork()
    if process:
        return process
    status = 1
    try:
        os.close(0)
        random.seed()
        run(**arguments)
        status = 0
    except BaseException as error:
        sys.stderr.write(f"{arguments} has ended: {type(error).__name__}: {error}\n")
    finally:
        sys.stderr.flush()
        os._exit(status)
    return 0


def _reaped(process: int, wait: float, living: set[int]) -> bool:
    deadline = time.monotonic() + wait
    while process in living:
        if os.waitpid(process, os.WNOHANG)[0] == process:
            living.discard(process)
        elif time.monotonic() >= deadline:
            break
        else:
            time.sleep(0.001)
    return process not in living


def _say(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    assert threading.active_count() == 1, "A process that forks must not have threads of its own."
    main()
