"""`millrace archive run`, killed at random and stopped past its session while another takes over: each event once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks.prove_batch.killed import attacked
from millrace.settings import Settings

KILLS = int(os.environ.get("MILLRACE_KILLS", "2"))


@pytest.mark.server
@pytest.mark.timeout(300 + 20 * KILLS)
def test_each_event_is_archived_once_whoever_is_killed(kafka: str, registry_url: str, tmp_path: Path) -> None:
    found = attacked(tmp_path, Settings(kafka=kafka, registry_url=registry_url), KILLS)

    assert (found.kills, found.lost, found.doubled) == (KILLS, 0, 0), found
    assert found.sent > 1_000
