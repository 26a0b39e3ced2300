"""`millrace jobs schedule` with Dagster's real daemon: what one command adds runs by itself, and a failure is told."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from typer.testing import CliRunner

from millrace.cli import app
from millrace.jobs.runs import Runs
from millrace.settings import Settings
from tests.listening import listening
from tests.waiting import until

FIRST = '[jobs.first]\ncommand = ["true"]\n'
WHY = '{"method": "log", "params": {"message": "no clicks of Monday", "level": "ERROR"}}'
CANDIDATE = f"echo begun; until [ -f GATE ]; do sleep 0.1; done; echo '{WHY}' >> $MILLRACE_JOB_MESSAGES; exit 3"
MILLRACE = [sys.executable, "-m", "millrace", "jobs"]


@contextmanager
def webhook() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Its address, and what it is told."""
    told: list[dict[str, Any]] = []

    async def hook(request: Request) -> Response:
        told.append(await request.json())
        return Response(status_code=204)

    served = Starlette(routes=[Route("/", hook, methods=["POST"])])
    served.state.stopping = lambda: None
    with listening(served) as server:
        yield f"http://127.0.0.1:{server.config.port}/", told


@pytest.mark.slow
@pytest.mark.timeout(300)  # on a busy machine: it is half a minute of Dagster's imports and looks
def test_a_candidate_that_one_command_adds_runs_by_itself_and_its_failure_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    product, gate = tmp_path / "books", tmp_path / "gate"
    product.mkdir()
    (product / "jobs.toml").write_text(FIRST)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MILLRACE_FOLDER", raising=False)
    with webhook() as (url, told), (tmp_path / "schedule.log").open("wb") as log:
        monkeypatch.setenv("MILLRACE_JOBS_WEBHOOK_URL", url)
        jobs("run", "books", "first")
        schedule = subprocess.Popen([*MILLRACE, "schedule", "books"], stderr=log)
        try:
            command = CANDIDATE.replace("GATE", str(gate))
            jobs("add", "books", "candidate", "--after", "first", "--", "sh", "-c", command)
            until(lambda: list((tmp_path / ".millrace/jobs/runs").glob("*/work")), 120)
            printed = Runs(product, Settings.load()).follow("candidate")
            assert any(b"begun" in part for part in printed)
            assert told == []
            gate.touch()
            list(printed)  # ends with the run
            until(lambda: told, 120)
        finally:
            gate.touch()  # a run that goes on keeps Dagster's processes
            schedule.send_signal(signal.SIGTERM)
            schedule.wait(60)
    [said] = told
    assert (said["product"], said["job"], said["state"]) == ("books", "candidate", "failed")
    assert said["why"] == "sh ended with code 3; its log says more. no clicks of Monday"
    states = {line["job"]: line["runs"][0] for line in json.loads(jobs("status", "books", "--output", "json"))["jobs"]}
    assert (states["first"]["state"], states["candidate"]["state"]) == ("succeeded", "failed")
    assert states["candidate"]["by"] == "schedule"
    assert "begun" in jobs("logs", "books", "candidate", "--follow")


def jobs(*arguments: str) -> str:
    """What `millrace jobs` says."""
    result = CliRunner().invoke(app, ["jobs", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output
