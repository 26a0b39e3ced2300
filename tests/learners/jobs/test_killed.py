"""Processes that run jobs begin at the same moment, and are killed: the records stay whole, nobody waits in vain."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from learners.jobs import Chain, Job
from learners.jobs.board import Board
from learners.jobs.home import opened_instance
from learners.jobs.looking import board
from tests.waiting import until

RUN = """
import sys
from pathlib import Path
from learners.jobs import Chain, Job
from learners.jobs.home import opened_instance
from learners.jobs.run import Around
from learners.jobs.runner import run_now

home, none = Path(sys.argv[1]), lambda *told: None
around = Around("books", home, home, none, none, none, "test", none)
slow = Job(name="slow", command=["sh", "-c", "echo $$ >> $MILLRACE_JOB_PRODUCT/begun; exec sleep 600"])
with opened_instance(home, 2) as instance:
    run_now(Chain.of([slow]), around, instance, "slow")
"""


@pytest.mark.slow
def test_two_that_begin_together_make_whole_records_and_a_killed_run_has_failed(tmp_path: Path) -> None:
    command, begun = [sys.executable, "-c", RUN, str(tmp_path)], tmp_path / "begun"
    running = [subprocess.Popen(command) for _ in range(2)]
    chain = Chain.of([Job(name="slow", command=["true"])])

    def now() -> Board:
        with opened_instance(tmp_path, 2) as instance:
            return board(chain, "books", instance)

    try:
        until(lambda: begun.exists() and len(begun.read_text().split()) == 2, 110.0)
        assert [run.state for run in now().lines[0].runs] == ["running", "running"]
    finally:
        for process in running:
            process.kill()
            process.wait()
        for child in begun.read_text().split() if begun.exists() else ():  # in a group of its own, which outlives it
            subprocess.run(["kill", child], check=False)

    runs = now().lines[0].runs

    assert [run.state for run in runs] == ["failed", "failed"]
    assert runs[0].why == "Its process ended without a word."
