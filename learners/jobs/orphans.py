"""Runs whose process is gone: somebody ran a job by hand, and its process was killed. They are recorded as failed;
the schedule would wait for them."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

import dagster as dg

PROCESS = "millrace/process"
"""The tag of a run by hand that says where it runs: machine and process."""
_OPEN = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.NOT_STARTED]


def here() -> dict[str, str]:
    """The tag for a run in this process."""
    return {PROCESS: f"{os.getpid()}@{socket.gethostname()}"}


def end_orphans(instance: dg.DagsterInstance) -> int:
    """Record those of this machine as failed; returns how many there were. Blocks."""
    found = [run for run in instance.get_runs(dg.RunsFilter(statuses=_OPEN)) if _is_gone(run.tags)]
    for run in found:
        instance.report_run_failed(run, "Its process has ended without a word.")
    return len(found)


def _is_gone(tags: Mapping[str, str]) -> bool:
    number, _, machine = tags.get(PROCESS, "").partition("@")
    if machine != socket.gethostname() or not number.isdecimal():
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return False
