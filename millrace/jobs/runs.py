"""Jobs run by hand and looked at, for commands and for the console's child. All of it needs Dagster."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from learners.jobs.board import Board, Run
from learners.jobs.errors import JobMissing, needing_dagster
from learners.jobs.folder import RunFolder
from millrace.jobs.around import around, home_of
from millrace.jobs.product_jobs import ProductJobs
from millrace.settings import Settings

LOOK = 0.5
"""Seconds between two looks at what a run prints."""


class Runs:
    """The runs of a product's jobs. Every call blocks.

    Raises, when it is made:
        JobsMissing: Dagster is not installed.
        JobRefused, ProductError: the product declares no jobs, or wrong ones.
    """

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.jobs = ProductJobs.some(folder)
        self.settings = settings
        with needing_dagster():
            from learners.jobs import home, looking, runner
        self._home, self._looking, self._runner = home, looking, runner

    def board(self) -> Board:
        """All jobs as they are now."""
        with self._instance() as instance:
            return self._looking.board(self.jobs.chain, self.jobs.product, instance)

    def run(self, name: str, seen: Callable[[bytes], None] = lambda part: None) -> Run:
        """Run one job now, until it has ended; with what its command prints given to `seen`.

        Raises:
            JobMissing: there is no such job.
        """
        with self._instance() as instance:
            among = around(self.jobs, self.settings, seen)
            run, _ = self._runner.run_now(self.jobs.chain, among, instance, name)
            return self._looking.find_run(self.jobs.product, instance, run)

    def log(self, name: str) -> tuple[Run, Path]:
        """A run, by its name or its job's for the newest, and the file with what it printed.

        Raises:
            JobMissing: there is no such run, or what it printed is not kept any more.
        """
        with self._instance() as instance:
            run = self._looking.find_run(self.jobs.product, instance, name)
        log = RunFolder.of(home_of(self.settings), run.run).log
        if not log.exists():
            raise JobMissing(f"What run {run.run} of {run.job} printed is not there: it has not begun, or is too old.")
        return run, log

    def follow(self, name: str) -> Iterator[bytes]:
        """What a run printed and prints, until it has ended. Raises JobMissing: there is no such run."""
        read = 0
        with self._instance() as instance:
            run = self._looking.find_run(self.jobs.product, instance, name).run
            log = RunFolder.of(home_of(self.settings), run).log
            while True:  # its state is asked before its log is read, so that its last words are
                state = self._looking.find_run(self.jobs.product, instance, run).state
                if log.exists():
                    with log.open("rb") as file:
                        file.seek(read)
                        part = file.read()
                    read += len(part)
                    yield part
                if state not in ("running", "waiting"):
                    return
                time.sleep(LOOK)

    @contextmanager
    def _instance(self) -> Iterator[Any]:
        with self._home.opened_instance(home_of(self.settings), self.settings.jobs_at_once) as instance:
            yield instance
