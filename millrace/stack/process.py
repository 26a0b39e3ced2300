"""Processes that outlive the command that started them, known by process id and birth time, and by nothing else."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from millrace.stack.birth import birth
from millrace.stack.errors import StackError


@dataclass(frozen=True)
class ProcessRecord:
    """What is kept of a started process, in a file of its own."""

    name: str
    pid: int
    born: str
    """Its `birth`: another process may get its id later, but not its birth."""
    address: str
    log: str

    def process(self) -> psutil.Process | None:
        """The process itself while it lives. A child of ours that ended is reaped on the way."""
        try:
            process = psutil.Process(self.pid)
        except psutil.NoSuchProcess:
            return None
        return process if birth(self.pid) == self.born and _lives(process) else None


class Processes:
    """The processes of one state folder: records in `folder`, logs in `logs`."""

    def __init__(self, folder: Path, logs: Path) -> None:
        self._folder, self._logs = folder.absolute(), logs.absolute()

    def start(
        self, name: str, command: Sequence[str], address: str = "", environment: Mapping[str, str] | None = None
    ) -> ProcessRecord:
        """Start a command in its own session, its output in a log of its own, and keep its record.

        Raises:
            StackError: a process of that name runs already, the program cannot be executed, or the disk is full.
        """
        running = self.records().get(name)
        if running is not None and running.process() is not None:
            raise StackError(f"{name} runs already (process {running.pid}); stop it with: millrace down")
        log = self._logs / f"{name}.log"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._logs.mkdir(parents=True, exist_ok=True)
            pid = _spawn(command, log, environment)
            record = ProcessRecord(name, pid, birth(pid) or "", address, str(log))
            self._keep(record)
        except OSError as error:
            where = error.filename or self._folder
            raise StackError(f"{name} could not be started ({where}: {error.strerror}); correct that.") from error
        return record

    def records(self) -> dict[str, ProcessRecord]:
        """What was started and not stopped since, by name; whether it lives is asked of each."""
        found = {}
        for file in sorted(self._folder.glob("*.json")):
            with suppress(OSError, ValueError, TypeError):  # removed meanwhile, or not ours
                record = ProcessRecord(**json.loads(file.read_text("utf-8")))
                found[record.name] = record
        return found

    def stop(self, names: Iterable[str], patience: float = 15.0) -> None:
        """Stop whatever runs under these names; see `end`."""
        chosen = set(names)
        self.end([record for name, record in self.records().items() if name in chosen], patience)

    def end(self, records: Sequence[ProcessRecord], patience: float = 15.0) -> None:
        """Ask these processes to end (SIGTERM), wait `patience` seconds, then kill; forgets their records. Blocks.

        Children that a process leaves behind are killed; nothing else is touched, also not what was started under the
        same names since.
        """
        living = [process for record in records if (process := record.process()) is not None]
        children = [child for process in living for child in _children(process)]
        _signal(living, signal.SIGTERM)
        _wait(living, patience)
        _signal([*living, *children], signal.SIGKILL)
        _wait([*living, *children], 5.0)
        kept = self.records()
        for record in records:
            if kept.get(record.name) == record:
                (self._folder / f"{record.name}.json").unlink(missing_ok=True)

    def _keep(self, record: ProcessRecord) -> None:
        """Write the record; a process whose record cannot be written is killed, as nobody would find it again."""
        partial = self._folder / f".{record.name}.{record.pid}"
        try:
            partial.write_text(json.dumps(asdict(record), indent=2) + "\n", "utf-8")
            partial.replace(self._folder / f"{record.name}.json")
        except OSError:
            partial.unlink(missing_ok=True)
            os.kill(record.pid, signal.SIGKILL)
            os.waitpid(record.pid, 0)
            raise


def last_lines(log: Path, count: int = 3) -> str:
    """The end of a log, for an error message."""
    try:
        lines = log.read_text("utf-8", errors="replace").strip().splitlines()
    except OSError:
        return "(no log)"
    return "\n".join(f"  {line[:300]}" for line in lines[-count:]) or "  (the log is empty)"


def _spawn(command: Sequence[str], log: Path, environment: Mapping[str, str] | None) -> int:
    """Start a process that belongs to no terminal. Its log begins anew; what it reads is empty."""
    writing = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    files = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(log), writing | os.O_APPEND, 0o644),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    return os.posix_spawnp(
        command[0],
        list(command),
        dict(os.environ if environment is None else environment),
        file_actions=files,
        setsid=True,
        setsigdef=[signal.SIGINT, signal.SIGPIPE],  # Python and a shell's background jobs ignore them
    )


def _lives(process: psutil.Process) -> bool:
    """Whether it runs still. One that ended counts as ended before its parent asks for it; a child of ours is asked."""
    try:
        if not process.is_running():
            return False
        if process.status() != psutil.STATUS_ZOMBIE:
            return True
        with suppress(psutil.TimeoutExpired):
            process.wait(0)
    except psutil.NoSuchProcess:
        pass
    return False


def _signal(processes: Iterable[psutil.Process], number: signal.Signals) -> None:
    """Send it to those that live; psutil refuses an id that another process has got meanwhile."""
    for process in processes:
        if _lives(process):
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)


def _wait(processes: Sequence[psutil.Process], patience: float) -> None:
    until = time.monotonic() + patience
    while any(_lives(process) for process in processes) and time.monotonic() < until:
        time.sleep(0.01)


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return list(process.children(recursive=True))
    except psutil.NoSuchProcess:
        return []
