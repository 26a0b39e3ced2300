"""`millrace up`, `down` and `status`: the servers of one folder, started at once, stopped by their own process ids."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from urllib.parse import urlsplit

from millrace.settings import Settings
from millrace.stack.artefacts import check_space
from millrace.stack.errors import StackError
from millrace.stack.lock import held
from millrace.stack.plan import addresses, servers, variables
from millrace.stack.port import check_free
from millrace.stack.process import Processes, ProcessRecord, last_lines
from millrace.stack.server import Port, Server

PATIENCE = 60.0
"""Seconds that a server may take until it answers."""
_SPACE = 300 << 20
_LAST_TO_STOP = ("registry", "kafka", "redis")

Say = Callable[[str], None]


class Stack:
    """The local stack of one state folder (`.millrace`): its data stays between runs, next to logs and records.

    It runs the parts whose addresses in the settings are on loopback; others are left alone. Its calls block. The
    state folder belongs to one call at a time, across processes.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings, self._folder = settings, settings.state_dir.absolute()
        self._processes = Processes(self._folder / "processes", self._folder / "logs")
        self._servers = servers(settings)

    def up(self, progress: Say | None = None) -> tuple[str, ...]:
        """Start what does not run and wait until everything answers; the names of what this call started.

        Args:
            progress: called with a line as each part is ready, from any thread; without it nothing is shown.

        Raises:
            StackError: says what to do. Whatever this call had started is stopped again, also after Ctrl-C.
        """
        check_space(self._folder, _SPACE, "the local stack", ", or name another folder with MILLRACE_STATE_DIR")
        with held(self._folder), _terminated_as_interrupted():
            for server in self._servers.values():
                server.fetch(show=progress is not None)
            missing = [server for name, server in self._servers.items() if self._process(name) is None]
            for server in missing:
                for port in server.ports:
                    check_free(port, server.name)
            self._start(missing, progress or _silent)
        return tuple(server.name for server in missing)

    def down(self, names: Iterable[str] | None = None) -> None:
        """Stop the named parts and processes, or all that were started in this folder; first those that use others."""
        chosen = set(self._processes.records()) if names is None else set(names)
        with held(self._folder):
            self._processes.stop(chosen.difference(_LAST_TO_STOP))
            for name in _LAST_TO_STOP:
                self._processes.stop(chosen.intersection({name}))

    def status(self) -> dict[str, dict[str, object]]:
        """Each part's address, state, process id and log, by name; then what else was started in this folder.

        A state is `running`, `not answering`, `died` (it ended by itself), `stopped`, or `elsewhere` (it answers, or
        is configured to be, but was not started from this folder).
        """
        known, records = addresses(self._settings), self._processes.records()
        return {name: self._status(name, known.get(name, ""), records.get(name)) for name in {**known, **records}}

    @contextmanager
    def process(self, name: str, command: Sequence[str]) -> Iterator[ProcessRecord]:
        """Run a program with these settings for the time of the block, listed and stoppable like the servers.

        Raises:
            StackError: one of that name runs already, or its port is busy.
        """
        if name == "service" and self._process(name) is None:
            port = self._settings.service_port
            check_free(Port(port, f"MILLRACE_SERVICE_PORT={port + 10_000}"), "the models service")
        environment = {**os.environ, **variables(self._settings)}
        record = self._processes.start(name, command, addresses(self._settings).get(name, ""), environment)
        try:
            yield record
        finally:
            self._processes.stop([name])

    def check(self, name: str) -> None:
        """Raise `StackError` with the end of its log if the named process was started here and has ended since."""
        record = self._processes.records().get(name)
        if record is not None and record.process() is None:
            raise StackError(f"{name} has ended by itself; the end of its log {record.log}:\n{_end(record)}")

    def _start(self, missing: Sequence[Server], say: Say) -> None:
        """Start all at once. Started by threads, so that Ctrl-C, which meets this one, never falls between a process
        and its record."""
        giving_up = threading.Event()
        with ThreadPoolExecutor(max(1, len(missing))) as pool:
            try:
                starting = [pool.submit(self._start_one, server, say, giving_up) for server in missing]
                for done in wait(starting, return_when=FIRST_EXCEPTION).done:
                    done.result()
            except BaseException:
                giving_up.set()
                pool.shutdown(wait=True)
                self._processes.stop([server.name for server in missing])
                raise

    def _start_one(self, server: Server, say: Say, giving_up: threading.Event) -> None:
        begun = time.monotonic()
        try:
            server.prepare()
        except OSError as error:
            raise StackError(f"{self._folder} cannot be written ({error}); correct that and start again.") from error
        if giving_up.is_set():
            return
        environment = {**os.environ, **variables(self._settings)}
        record = self._processes.start(server.name, server.command(), server.address, environment)
        while not server.ready():
            if giving_up.is_set():
                return
            if record.process() is None:
                raise StackError(
                    f"{server.name} ended while it was starting; the end of its log {record.log}:\n{_end(record)}"
                )
            if time.monotonic() > begun + PATIENCE:
                raise StackError(f"{server.name} did not answer within {PATIENCE:.0f} s; see its log {record.log}.")
            giving_up.wait(0.02)
        say(f"{server.name} answers at {server.address} after {time.monotonic() - begun:.1f} s")

    def _process(self, name: str) -> ProcessRecord | None:
        """The record of a process that was started here and lives."""
        record = self._processes.records().get(name)
        return record if record is not None and record.process() is not None else None

    def _status(self, name: str, address: str, record: ProcessRecord | None) -> dict[str, object]:
        alive = record is not None and record.process() is not None
        return {
            "address": record.address if record is not None and record.address else address,
            "state": self._state(name, record, alive),
            "pid": record.pid if record is not None and alive else None,
            "log": record.log if record is not None else None,
        }

    def _state(self, name: str, record: ProcessRecord | None, alive: bool) -> str:
        server = self._servers.get(name)
        if record is not None:
            if not alive:
                return "died"
            return "running" if server is None or server.ready() else "not answering"
        if name == "service":
            return "elsewhere" if _listens(self._settings.service_url) else "stopped"
        return "elsewhere" if server is None or server.ready() else "stopped"


def _end(record: ProcessRecord) -> str:
    from pathlib import Path

    return last_lines(Path(record.log))


def _listens(url: str) -> bool:
    parts = urlsplit(url)
    try:
        with socket.create_connection((parts.hostname or "", parts.port or 80), timeout=0.5):
            return True
    except OSError:
        return False


def _silent(_: str) -> None:
    pass


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """While a start is under way SIGTERM cleans up like Ctrl-C. Only the main thread can arrange that."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
