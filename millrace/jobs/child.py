"""What the models service's console knows of jobs: asked of a process of its own, as Dagster takes a second to import
and a hundred megabytes. It begins with the first reader of the page, and ends once nobody has asked for a while."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from learners.jobs import JobMissing, JobsMissing
from learners.jobs.folder import RunFolder
from millrace.jobs.around import home_of
from millrace.jobs.product_jobs import ProductJobs
from millrace.settings import Settings
from schemas.errors import MillraceError

PATIENCE = 60.0
"""Seconds that an answer may take; the first one begins the process."""
IDLE = 60.0
"""Seconds without a question after which the process ends."""
SHOWN = 64 << 10
"""Bytes of a log that are given: its end."""
AT_ONCE = 4
"""Runs that the console begins and that run at the same time."""


class JobsChild:
    """The jobs of a product's folder, for `serving.jobs.Jobs`. Opens nothing before it is asked."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self._folder, self._settings = folder, settings
        self._process: subprocess.Popen[bytes] | None = None
        self._runs: list[subprocess.Popen[bytes]] = []
        self._turn = threading.Lock()

    def board(self) -> Mapping[str, Any]:
        """As `millrace jobs status --output json` says it. Blocks.

        Raises:
            JobsMissing: Dagster is not installed.
            MillraceError: jobs are wrong, or who is asked does not answer.
        """
        with self._turn:
            line = self._asked()
        found: Mapping[str, Any] = json.loads(line)
        if "wrong" in found:
            raise MillraceError(str(found["wrong"]))
        return found

    def run(self, job: str) -> None:
        """Begin a run, by `millrace jobs run` in a process that outlives this one.

        Raises:
            JobMissing: there is no such job. JobsMissing: too many run already, that were begun here.
        """
        ProductJobs.load(self._folder).chain.job(job)
        with self._turn:
            self._runs = [run for run in self._runs if run.poll() is None]
            if len(self._runs) >= AT_ONCE:
                raise JobsMissing(f"{AT_ONCE} runs that were begun here are still running; wait for one to end.")
            command = [sys.executable, "-m", "millrace", "jobs", "run", str(self._folder), job, "--output", "json"]
            quiet = subprocess.DEVNULL
            self._runs.append(
                subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True)
            )

    def log(self, run: str) -> str:
        """The end of what a run has printed.

        Raises:
            JobMissing: there is no such run, or it is too old.
        """
        try:
            path = RunFolder.of(home_of(self._settings), run).log
            with path.open("rb") as file:
                file.seek(max(0, path.stat().st_size - SHOWN))
                return file.read(SHOWN).decode(errors="replace")
        except (OSError, ValueError) as error:
            raise JobMissing("What this run printed is not there: it has not begun, or is too old.") from error

    def close(self) -> None:
        """End the process that is asked; runs that were begun go on."""
        with self._turn:
            if self._process is not None:
                self._process.kill()
                self._process.communicate()
                self._process = None

    def _asked(self) -> bytes:
        for _ in range(2):  # it may have ended just now, as nobody had asked
            process = self._process if self._process is not None and self._process.poll() is None else self._begun()
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                process.stdin.write(b"\n")
                process.stdin.flush()
                line = _line(process.stdout)
            except OSError:
                line = b""
            if line:
                return line
            process.kill()
            process.communicate()
        raise MillraceError("Who knows of runs has ended; what it said is in the service's log.")

    def _begun(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "millrace.jobs.child", str(self._folder)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        return self._process


def _line(source: IO[bytes]) -> bytes:
    """One line, or nothing where it does not come in time."""
    until, found = time.monotonic() + PATIENCE, b""
    while not found.endswith(b"\n"):
        if not select.select([source], [], [], max(0.0, until - time.monotonic()))[0]:
            return b""
        part = source.read1(1 << 20)  # type: ignore[attr-defined]
        if not part:
            return b""
        found += part
    return found


def _answer(folder: Path) -> None:
    """Answer each line of stdin with a board, until its end, or until nobody has asked for a while."""
    from millrace.jobs.document import document
    from millrace.jobs.runs import Runs

    settings, answers = Settings.load(), os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a product's code prints is no answer
    while select.select([sys.stdin], [], [], IDLE)[0] and sys.stdin.readline():
        try:
            said: Mapping[str, Any] = document(Runs(folder, settings).board())
        except MillraceError as error:
            said = {"wrong": str(error)}
        answers.write(json.dumps(said) + "\n")
        answers.flush()


if __name__ == "__main__":
    _answer(Path(sys.argv[1]))
