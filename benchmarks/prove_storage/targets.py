"""The technologies under attack: how each is started on this machine, killed and started again on its data."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from millrace.stack import StackError
from millrace.stack.redis import RedisServer
from millrace.stack.server import Server

PATIENCE = 90.0


class Running:
    """A server in a process group of its own, so that what it has started ends with it.

    Attributes:
        url: where it is.
        restarts: how often it was killed and started again.
    """

    def __init__(self, server: Server, log: Path) -> None:
        """Starts it. Blocks until it answers.

        Raises:
            StackError: it cannot be had, or does not start.
        """
        self.url, self.restarts = server.address, 0
        self._server, self._log = server, log
        server.fetch(show=False)
        server.prepare()
        self._start()

    def restart(self) -> None:
        """SIGKILL to all of it, at once, and a start on what it has left. Blocks until it answers again."""
        self._end(signal.SIGKILL)
        self._start()
        self.restarts += 1

    def close(self) -> None:
        """End it in an orderly way."""
        self._end(signal.SIGTERM)

    def _start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._server.command(), stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
            )
        until = time.monotonic() + PATIENCE
        while not self._server.ready():
            if self._process.poll() is not None or time.monotonic() > until:
                raise StackError(f"{self._server.name} does not start; see {self._log}.")
            time.sleep(0.02)

    def _end(self, number: signal.Signals) -> None:
        os.killpg(self._process.pid, number)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


class File:
    """A technology without a server: there is nothing to kill but the workers that have it open."""

    restarts = 0

    def __init__(self, url: str) -> None:
        self.url = url

    def restart(self) -> None:
        """Nothing runs."""

    def close(self) -> None:
        """Nothing runs."""


@dataclass(frozen=True)
class Target:
    """One technology.

    Attributes:
        name: as the proof reports it.
        technology: as `storage.technologies` names it.
        start: starts it in a folder, on a free port.
        pace: events per second that are sent while it is attacked.
        remote: it is reached by TCP, so that connections can be cut.
    """

    name: str
    technology: str
    start: Callable[[Path, int], Running | File]
    pace: int
    remote: bool = True


class _DurableRedis(RedisServer):
    """With every command on the disk before it is answered."""

    def prepare(self) -> None:
        super().prepare()
        with (self.folder / "redis.conf").open("a", encoding="utf-8") as file:
            file.write("appendfsync always\n")


def free_port() -> int:
    """A port that nothing listens on now."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


TARGETS = {
    target.name: target
    for target in (
        Target(
            "redis", "redis", lambda folder, port: Running(_DurableRedis(folder, port), folder / "redis.log"), 2_000
        ),
    )
}
