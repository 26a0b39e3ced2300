"""The folder of one run: where its command works, its log, and what it says of itself.

<state>/jobs/runs/<run>/work/         the command's working folder, new for each try
                       /log.txt       stdout and stderr of all tries
                       /messages      what it says by Dagster Pipes, one JSON document a line
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from learners.jobs.job import Job

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

    def begin(self) -> None:
        """Make it ready for a try: nothing of an earlier try is left but its log."""
        self.place.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir()
        self.messages.write_bytes(b"")

    def end(self) -> None:
        """Let go of what the command wrote, which is loaded, and of the oldest runs' folders."""
        shutil.rmtree(self.work, ignore_errors=True)
        others = sorted(self.place.parent.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in others[KEPT:]:
            if path != self.place:
                shutil.rmtree(path, ignore_errors=True)

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
