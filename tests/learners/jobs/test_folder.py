"""The folders of runs: what a command works in is gone with its run, and nobody's is taken away while it works."""

from __future__ import annotations

import os
from pathlib import Path
from uuid import uuid4

import pytest

from learners.jobs import Job
from learners.jobs.errors import JobFailed
from learners.jobs.folder import KEPT, RunFolder
from learners.jobs.run import run_job
from tests.learners.jobs.conftest import Workshop


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    """Without Dagster, which runs nothing here."""
    return Workshop(tmp_path, None, "product")  # type: ignore[arg-type]


def test_a_run_that_fails_leaves_its_log_alone_and_no_more_folders_than_are_kept(workshop: Workshop) -> None:
    runs = workshop.around.home / "runs"
    for _ in range(KEPT):
        (runs / uuid4().hex).mkdir(parents=True)
    failing = Job(name="failing", command=["false"], exports={"likes": "likes.csv"})

    with pytest.raises(JobFailed):
        list(run_job(failing, workshop.around, "0123456789"))

    assert len(list(runs.iterdir())) == KEPT
    assert "[try 1: false]" in RunFolder.of(workshop.around.home, "0123456789").log.read_text()
    assert not RunFolder.of(workshop.around.home, "0123456789").work.exists()


def test_what_a_long_run_works_in_is_there_however_many_runs_end_meanwhile(workshop: Workshop) -> None:
    home = workshop.around.home
    job = Job(name="long", command=["true"], exports={"likes": "likes.csv"})
    long = run_job(job, workshop.around, "0" * 8)
    assert next(long) == ("exported likes", 6)
    os.utime(RunFolder.of(home, "0" * 8).place, (0, 0))

    for number in range(KEPT + 1):
        list(run_job(Job(name="short", command=["true"]), workshop.around, f"{number + 1:08x}"))

    assert (RunFolder.of(home, "0" * 8).work / "likes.csv").exists()
    list(long)


def test_what_a_run_exports_is_for_its_own_user_alone(workshop: Workshop) -> None:
    list(run_job(Job(name="short", command=["true"]), workshop.around, "0" * 8))

    assert RunFolder.of(workshop.around.home, "0" * 8).place.stat().st_mode & 0o077 == 0
