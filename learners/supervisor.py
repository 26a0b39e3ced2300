"""Keeps workers running: a dead one is started again at once, unless it says that this is of no use."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from threading import Event

from learners.errors import LearnerRefused

log = logging.getLogger(__name__)

_LEASH = """
import ctypes, os, signal, sys
parent = int(sys.argv[1])
try:
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
except (OSError, AttributeError):
    pass
if os.getppid() != parent:
    sys.exit(0)
os.execvp(sys.argv[2], sys.argv[2:])
"""
"""Run by the child before it becomes the command: asks Linux (prctl 1 = PR_SET_PDEATHSIG) to be told when its parent
dies, so that no worker outlives its supervisor. Elsewhere it changes nothing."""

LOOK = 0.02
SHORT_LIFE = 1.0
"""Seconds; a process that is killed sooner after its start has had a short life."""
SHORT_TRY = 30.0
"""Seconds; the same for one that fails by itself: what it needs may be away, and a start costs a second of a core."""
LONGEST_PAUSE = 10.0
REFUSED = 78
"""Exit code of a worker that cannot work with what it is given, however often it is started (EX_CONFIG of sysexits)."""


def is_short(life: float, code: int) -> bool:
    """Whether a process that ended with this code has lived too shortly to be started again at once each time.

    Args:
        life: seconds.
        code: above 0 where it has failed by itself, below 0 where a signal has ended it.
    """
    return life < (SHORT_TRY if code > 0 else SHORT_LIFE)


def pause_after(short: int) -> float:
    """Seconds to wait before a restart after so many short lives in a row: one is answered at once, the others later
    each time."""
    return 0.0 if short < 2 else float(min(0.2 * 2 ** (short - 2), LONGEST_PAUSE))


class Supervisor:
    """Starts one command several times over and keeps that many running.

    Args:
        command: program and arguments; `{number}` in an argument becomes the process's number, 0 to `processes` - 1,
            which is how each one gets its own lasting member name.
    """

    def __init__(self, command: Sequence[str], processes: int = 1) -> None:
        self._children = [_Child([part.replace("{number}", str(n)) for part in command]) for n in range(processes)]

    @property
    def processes(self) -> list[int]:
        """Process ids of the children that run now."""
        return [child.process.pid for child in self._children if child.process is not None]

    def run(self, stop: Event) -> None:
        """Keep the children running until `stop` is set, then end them (SIGTERM; after 10 seconds SIGKILL). Blocks.

        Raises:
            LearnerRefused: each of them has ended with `REFUSED`. While another one works, it is only started later.
        """
        try:
            while not stop.is_set():
                for child in self._children:
                    child.look(time.monotonic())
                if all(child.refused for child in self._children):
                    raise LearnerRefused(
                        "No worker can work with what it is given; each has said why. Change that, and start again."
                    )
                stop.wait(LOOK)
        finally:
            self._end()

    def _end(self, patience: float = 10.0) -> None:
        deadline = time.monotonic() + patience
        for child in self._children:
            child.tell(signal.SIGTERM)
        for child in self._children:
            child.wait(deadline - time.monotonic())


class _Child:
    def __init__(self, command: list[str]) -> None:
        self._command = command
        self._short = 0
        self._started = self._due = 0.0
        self.process: subprocess.Popen[bytes] | None = None
        self.refused = False

    def look(self, now: float) -> None:
        """Start the process if it is due; notice if it has died."""
        if self.process is not None and self.process.poll() is not None:
            code = self.process.returncode
            self._short = min(self._short + 1, 20) if is_short(now - self._started, code) else 0
            self.refused = code == REFUSED
            self._due = now + (LONGEST_PAUSE if self.refused else pause_after(self._short))
            log.warning(
                "Worker process %d ended with %d; %s is started again in %.1f s.",
                self.process.pid,
                code,
                "where another one works, it" if self.refused else "it",
                self._due - now,
            )
            self.process = None
        if self.process is None and now >= self._due:
            self._started, self.refused = now, False
            self.process = _start(self._command)

    def tell(self, number: signal.Signals) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)

    def wait(self, patience: float) -> None:
        if self.process is None:
            return
        try:
            self.process.wait(max(patience, 0.1))
        except subprocess.TimeoutExpired:
            log.warning("Worker process %d did not end when asked; it is killed.", self.process.pid)
            self.process.kill()
            self.process.wait()
        self.process = None


def _start(command: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-I", "-S", "-c", _LEASH, str(os.getpid()), *command])
