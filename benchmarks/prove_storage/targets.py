"""The technologies under attack: how each is started on this machine, killed and started again on its data."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.ports import free_port
from benchmarks.prove_storage.redis_cluster import DURABLE, Cluster, free_ports
from millrace.stack import StackError
from millrace.stack.cassandra import CassandraServer
from millrace.stack.postgresql import PostgresqlServer
from millrace.stack.redis import RedisServer
from millrace.stack.search import SearchServer
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

    @property
    def ended(self) -> bool:
        """Whether it has ended by itself."""
        return self._process.poll() is not None

    def restart(self) -> None:
        """SIGKILL to all of it, at once, and a start on what it has left. Blocks until it answers again."""
        self._kill()
        self._start()
        self.restarts += 1

    def close(self) -> None:
        """Ask it to end, and kill it if it does not."""
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._kill()

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

    def _kill(self) -> None:
        """Its children first are found: PostgreSQL's are in sessions of their own."""
        children: list[psutil.Process] = []
        with suppress(psutil.NoSuchProcess):
            children = psutil.Process(self._process.pid).children(recursive=True)
        for process in (self._process, *children):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait()
        psutil.wait_procs(children, 10)


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
        start: starts it in a folder.
        pace: events per second that are sent while it is attacked.
        remote: it is reached by TCP, so that connections can be cut.
        derived: another technology, for a learner that has storages in both: this one holds its state.
    """

    name: str
    technology: str
    start: Callable[[Path], Running | Cluster | File]
    pace: int
    remote: bool = True
    derived: Target | None = None


class _DurableRedis(RedisServer):
    """With every command on the disk before it is answered."""

    def prepare(self) -> None:
        super().prepare()
        with self._file.open("a", encoding="utf-8") as file:
            file.write("appendfsync always\n")


def _redis(folder: Path) -> Running:
    return Running(_DurableRedis(folder / "data", free_port()), folder / "server.log")


def _redis_cluster(folder: Path) -> Cluster:
    return Cluster(folder / "data", free_ports(3), DURABLE, proxied=True)


def _postgresql(folder: Path) -> Running:
    return Running(PostgresqlServer(folder / "data", free_port()), folder / "server.log")


def _cassandra(folder: Path) -> Running:
    return Running(CassandraServer(folder / "data", free_port(beside=1)), folder / "server.log")


def _search(folder: Path) -> Running:
    return Running(SearchServer(folder / "data", free_port()), folder / "server.log")


def _sqlite(folder: Path) -> File:
    return File(f"sqlite:///{folder.absolute() / 'storages.db'}")


_SQLITE = Target("sqlite", "relational", _sqlite, pace=1_000, remote=False)

TARGETS = {
    target.name: target
    for target in (
        Target("redis", "redis", _redis, pace=2_000),
        Target("redis_cluster", "redis", _redis_cluster, pace=1_000),
        _SQLITE,
        Target("postgresql", "relational", _postgresql, pace=1_000),
        Target("cassandra", "cassandra", _cassandra, pace=500),
        Target("search", "search", _search, pace=500),
        Target("redis and sqlite", "redis", _redis, pace=1_000, derived=_SQLITE),
    )
}
