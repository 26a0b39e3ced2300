"""A Cassandra of a test's own, which it may kill."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.ports import free_port
from millrace.stack.cassandra import CassandraServer
from millrace.stack.process import Processes, ProcessRecord

_PATIENCE = 600.0


@dataclass
class CassandraNode:
    """A running server, and what is known of its process."""

    server: CassandraServer
    processes: Processes

    def start(self) -> ProcessRecord:
        """Start it and wait until it answers."""
        self.server.prepare()
        record = self.processes.start(self.server.name, self.server.command(), self.server.address)
        until = time.monotonic() + _PATIENCE
        while not self.server.ready():
            assert record.process() is not None, f"it has ended; see {record.log}"
            assert time.monotonic() < until, f"it does not answer; see {record.log}"
            time.sleep(0.1)
        return record

    def kill(self) -> None:
        """End it as the machine would: nothing is written any more."""
        for record in self.processes.records().values():
            if (process := record.process()) is not None:
                process.kill()
                process.wait(10)

    def url(self, user: str = "", password: str = "") -> str:
        """Its address for a user."""
        who = f"{user}:{password}@" if user else ""
        return f"cassandra://{who}127.0.0.1:{self.server.port}/{self.server.keyspace}"


@contextmanager
def cassandra_node(folder: Path, **options: Any) -> Iterator[CassandraNode]:
    """A server for the time of the block.

    Args:
        options: of its `cassandra.yaml`.

    Raises:
        StackError: it cannot be had.
    """
    server = CassandraServer(folder / "cassandra", free_port(beside=1), options=options)
    server.fetch(show=False)
    node = CassandraNode(server, Processes(folder / "processes", folder / "logs"))
    try:
        node.start()
        yield node
    finally:
        node.processes.stop([server.name])
