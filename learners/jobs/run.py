"""One try of one job: what it needs is exported, its command runs, and what it wrote is loaded. Knows no Dagster."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

from learners.jobs.errors import JobFailed
from learners.jobs.exported import Export, Exported
from learners.jobs.folder import RunFolder
from learners.jobs.job import LAST_RUN, Job
from learners.jobs.outputs import Opened, load_outputs
from learners.jobs.process import run_command

Value = str | int | float


@dataclass(frozen=True)
class Around:
    """What jobs of a product run among.

    Attributes:
        product: the product's name, and `folder` its files.
        home: the folder of all jobs, their runs and Dagster's own records.
        opened: opens the technologies that are loaded.
        export: see `exported.py`.
        newest_day: the newest day of a topic's archive that is complete, as text; None = there is none yet.
        made_by: who loads, for people.
        alert: tells of a run that failed: product, job, run and why. Never raises.
        environment: what commands inherit.
    """

    product: str
    folder: Path
    home: Path
    opened: Opened
    export: Export
    newest_day: Callable[[str], str | None]
    made_by: str
    alert: Callable[[str, str, str, str], None]
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)
    seen: Callable[[bytes], None] = lambda part: None


def run_job(
    job: Job, around: Around, run: str, attempt: int = 1, told: Mapping[str, str] | None = None
) -> Iterator[tuple[str, Value]]:
    """Run it and load what it wrote. Blocks. Yields figures: rows of each export and load, seconds of the command.

    Files are loaded once the command has ended with 0. Of a run that fails, no storage's name moves. A job that exports
    what is new since its last run is done where nothing is.

    Args:
        run: its name; its folder is below `around.home`.
        told: further variables of the command.

    Raises:
        JobFailed: why; with what the command itself has logged as errors by Pipes.
    """
    folder = RunFolder.of(around.home, run)
    with folder.held():
        with folder.log.open("a", encoding="utf-8") as log:
            log.write(f"[try {attempt}: {' '.join(job.command)}]\n")
        exported = Exported(job, around.product, around.home, around.export)
        news = False
        for topic, rows in exported.write(folder.work):
            yield f"exported {topic}", rows
            news = news or rows > 0
        if job.since == LAST_RUN and not news:
            yield "not run", "no event is new since the last run"
            exported.keep()
            return
        environment = {**around.environment, **(told or {}), **folder.variables(job, around.folder, attempt)}
        began = monotonic()
        command = folder.command(job, around.folder)
        try:
            run_command(command, folder.work, environment, folder.log, job.timeout.total_seconds(), around.seen)
        except JobFailed as failed:
            raise JobFailed(f"{failed} {folder.reasons}".rstrip()) from failed
        yield "command seconds", round(monotonic() - began, 3)
        files = {storage: folder.work / file for storage, file in job.loads.items()}
        for storage, rows in load_outputs(files, around.opened, around.made_by):
            yield f"loaded {storage}", rows
        exported.keep()
