"""The folder of one run: where its command works, its log, and what it says of itself.

<state>/jobs/runs/<run>/work/         the command's working folder, new for each try
                       /log.txt       stdout and stderr of all tries
                       /messages      what it says by Dagster Pipes, one JSON document a line
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from learners.jobs.job import Job

MESSAGES = 1 << 20
"""Bytes that are read of what a command says by Pipes."""
KEPT = 50
"""Folders of runs that are kept: the newest."""
_RUN = re.compile(r"[0-9a-f-]{8,64}")


@dataclass(frozen=True)
class RunFolder:
    """Where one run works."""

    place: Path

    @classmethod
    def of(cls, home: Path, run: str) -> RunFolder:
        """The folder of a run below the folder of all jobs; not made yet.

        Raises:
            ValueError: that is no run's name.
        """
        if not _RUN.fullmatch(run):
            raise ValueError(f"{run!r} is no run")
        return cls(home / "runs" / run)

    @property
    def work(self) -> Path:
        """The command's working folder."""
        return self.place / "work"

    @property
    def log(self) -> Path:
        """Its stdout and stderr."""
        return self.place / "log.txt"

    @property
    def messages(self) -> Path:
        """What it says by Pipes."""
        return self.place / "messages"

    @property
    def said(self) -> list[bytes]:
        """The lines of it; none where it said nothing."""
        try:
            with self.messages.open("rb") as file:
                return file.read(MESSAGES).splitlines()
        except OSError:
            return []

    @property
    def reasons(self) -> str:
        """What the command has logged as an error by Pipes, the newest last; empty where it said nothing so."""
        found = []
        for line in self.said:
            with suppress(ValueError, KeyError, TypeError):
                message = json.loads(line)
                if message["method"] == "log" and message["params"]["level"] in ("ERROR", "CRITICAL"):
                    found.append(str(message["params"]["message"]))
        return " ".join(found)

    @contextmanager
    def held(self) -> Iterator[None]:
        """For the time of a try: before it nothing of an earlier one is left but its log; after it what the command
        worked with is gone, and so are the oldest runs' folders, but for those that somebody holds."""
        self.place.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _lock(self.place):
            shutil.rmtree(self.work, ignore_errors=True)
            self.work.mkdir()
            self.messages.write_bytes(b"")
            try:
                yield
            finally:
                shutil.rmtree(self.work, ignore_errors=True)
                self._tidy()

    def _tidy(self) -> None:
        found = sorted(((_changed(path), path) for path in self.place.parent.iterdir()), reverse=True)
        for _, path in found[KEPT:]:
            with suppress(OSError), _lock(path):  # others tidy up too, and a run may last longer than many others
                shutil.rmtree(path)

    def command(self, job: Job, product: Path) -> list[str]:
        """The job's command, with whole paths for files of the product's folder."""
        return [_whole(text, product) for text in job.command]

    def variables(self, job: Job, product: Path, attempt: int) -> Mapping[str, str]:
        """What the command is told in its environment, beside what it inherits."""
        return {
            **job.env,
            "MILLRACE_JOB": job.name,
            "MILLRACE_JOB_TRY": str(attempt),
            "MILLRACE_JOB_PRODUCT": str(product),
            "MILLRACE_JOB_MESSAGES": str(self.messages),
        }


def _whole(text: str, product: Path) -> str:
    path = os.path.join(product, text)
    return path if not text.startswith("-") and os.path.isfile(path) else text


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Hold a folder until the end of the block, or of this process. Raises OSError where another holds it."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(opened)


def _changed(path: Path) -> float:
    """When it was changed; of one that is just going, long ago."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
