"""`millrace up`, `down` and `status`: the servers of one folder, started at once, stopped by their own process ids."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from millrace.settings import Settings
from millrace.stack.artefacts import check_space
from millrace.stack.errors import StackError
from millrace.stack.lock import held
from millrace.stack.plan import addresses, servers, variables
from millrace.stack.port import check_all_free, check_free, listens
from millrace.stack.process import Processes, ProcessRecord, last_lines
from millrace.stack.server import Port, Server

PATIENCE = 120.0
"""Seconds that a server may take until it answers."""
_SPACE = 300 << 20
_LAST_TO_STOP = ("registry", "kafka", "redis", "postgresql", "cassandra", "search")

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
        with held(self._folder), _interrupted_by_signals():
            running = {name: record for name in self._servers if (record := self._process(name)) is not None}
            missing = [server for name, server in self._servers.items() if name not in running]
            self._check(running, missing)
            for server in missing:
                server.fetch(show=progress is not None)
            self._start(running, missing, progress or _silent)
        return tuple(server.name for server in missing)

    def down(self, started: Iterable[ProcessRecord] | None = None) -> None:
        """Stop these processes, or all that were started in this folder; first those that use others."""
        if not self._folder.is_dir():
            return
        with held(self._folder):
            chosen = list(self._processes.records().values() if started is None else started)
            self._processes.end([record for record in chosen if record.name not in _LAST_TO_STOP])
            for name in _LAST_TO_STOP:
                self._processes.end([record for record in chosen if record.name == name])

    def started(self) -> bool:
        """Whether something was started in this folder that `down` has not stopped."""
        return bool(self._processes.records())

    def records(self, names: Iterable[str]) -> list[ProcessRecord]:
        """The processes that run under these names now, to be told from those that do so later."""
        found = self._processes.records()
        return [found[name] for name in names if name in found]

    def wait(self, started: Collection[ProcessRecord], look: float = 0.5) -> str:
        """Wait until one of these processes was stopped by somebody; its name. Blocks; looks every `look` seconds.

        Raises:
            StackError: one has ended by itself; the end of its log says why.
        """
        while (ended := next((record for record in started if record.process() is None), None)) is None:
            time.sleep(look)
        with held(self._folder):  # until a `down` that is under way has forgotten what it stopped
            if ended in self._processes.records().values():
                self.check(ended.name)
        return ended.name

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
            check_free(self._service_port, "the models service")
        environment = {**os.environ, **variables(self._settings)}
        record = self._processes.start(name, command, addresses(self._settings).get(name, ""), environment)
        try:
            yield record
        finally:
            self._processes.end([record])

    def check(self, name: str) -> None:
        """Raise `StackError` with the end of its log if the named process was started here and has ended since."""
        record = self._processes.records().get(name)
        if record is not None and record.process() is None:
            raise StackError(f"{name} has ended by itself; the end of its log {record.log}:\n{_end(record)}")

    @property
    def _service_port(self) -> Port:
        return Port(self._settings.service_port, "MILLRACE_SERVICE_PORT={port}")

    def _check(self, running: Mapping[str, ProcessRecord], missing: Sequence[Server]) -> None:
        """Raise `StackError` unless what runs is where the settings say, and what is missing finds its ports free."""
        for name, record in running.items():
            address = self._servers[name].address
            if record.address != address:
                raise StackError(
                    f"{name} runs at {record.address}, started from this folder, and the settings say {address}; "
                    "run millrace down first, or take the setting back."
                )
        wanted = [(port, server.name) for server in missing for port in server.ports]
        check_all_free(wanted, [self._service_port])
        if missing:
            check_space(self._folder, _SPACE, "the local stack", ", or name another folder with MILLRACE_STATE_DIR")

    def _start(self, running: Mapping[str, ProcessRecord], missing: Sequence[Server], say: Say) -> None:
        """Start all at once, and wait for what runs too: an earlier command may have been killed before it answered.

        Started by threads, so that Ctrl-C, which meets this one, never falls between a process and its record.
        """
        giving_up = threading.Event()
        with ThreadPoolExecutor(max(1, len(self._servers))) as pool:
            try:
                starting: list[Future[Any]]
                starting = [pool.submit(self._start_one, server, say, giving_up) for server in missing]
                starting += [pool.submit(self._wait, self._servers[name], running[name], giving_up) for name in running]
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
        if self._wait(server, record, giving_up):
            say(f"{server.name} answers at {server.address} after {time.monotonic() - begun:.1f} s")

    def _wait(self, server: Server, record: ProcessRecord, giving_up: threading.Event) -> bool:
        """Wait until the server answers, and by this process: another one may have been faster at the port."""
        until = time.monotonic() + PATIENCE
        while not giving_up.is_set():
            answers, process = server.ready(), record.process()
            if process is None:
                check_space(self._folder, 1 << 20, server.name, ", and start again")
                raise StackError(
                    f"{server.name} ended while it was starting; the end of its log {record.log}:\n{_end(record)}"
                )
            if answers and listens(process, server.ports[0].number):
                return True
            if time.monotonic() > until:
                raise StackError(f"{server.name} did not answer within {PATIENCE:.0f} s; see its log {record.log}.")
            giving_up.wait(0.02)
        return False

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
def _interrupted_by_signals() -> Iterator[None]:
    """While a start is under way SIGTERM, and SIGHUP of a closed terminal, clean up like Ctrl-C. Only the main thread
    can arrange that. What is ignored (nohup) stays so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    heeded = [number for number, handler in before.items() if handler is not signal.SIG_IGN]
    try:
        for number in heeded:
            signal.signal(number, signal.default_int_handler)
        yield
    finally:
        for number in heeded:
            signal.signal(number, before[number])
