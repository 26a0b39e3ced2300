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
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


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

    def born(self, arguments: Mapping[str, Any]) -> int:
        """Process id of a new worker; see `worker_process.run` for the arguments."""
        return self._ask({"born": dict(arguments)})

    def gone(self, process: int, wait: bool = False) -> bool:
        """Whether a worker is no more; until then nobody else gets its id. With `wait` it blocks until it is."""
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
    from benchmarks.prove_storage import worker_process

    living: set[int] = set()
    while line := sys.stdin.readline():
        question = json.loads(line)
        if "born" in question:
            process = _forked(worker_process.run, question["born"])
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
        sys.stderr.write(f"{arguments['member']} has ended: {type(error).__name__}: {error}\n")
    finally:
        sys.stderr.flush()
        os._exit(status)
    return 0


def _reaped(process: int, wait: bool, living: set[int]) -> bool:
    if process in living and os.waitpid(process, 0 if wait else os.WNOHANG)[0] == process:
        living.discard(process)
    return process not in living


def _say(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    assert threading.active_count() == 1, "A process that forks must not have threads of its own."
    main()
