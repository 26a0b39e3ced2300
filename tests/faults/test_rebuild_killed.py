"""`millrace rebuild`, killed at random, and stopped while another takes over: a fold from offset zero; reads go on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks.prove_batch.rebuilt import attacked
from millrace.settings import Settings

KILLS = int(os.environ.get("MILLRACE_KILLS", "3"))


@pytest.mark.server
@pytest.mark.timeout(600 + 60 * KILLS)
def test_a_rebuild_is_the_fold_whoever_is_killed_and_readers_never_miss_an_answer(
    kafka: str, registry_url: str, redis_clean: str, tmp_path: Path
) -> None:
    settings = Settings(kafka=kafka, registry_url=registry_url, redis_url=redis_clean)
    found = attacked(tmp_path, settings, KILLS, events=5_000 * KILLS)

    assert found.equal, found
    assert found.kills >= KILLS - 1  # one may be done before it is struck
    assert found.reading.failed == []
    assert found.reading.versions == [1, 2]
    assert found.reading.answers > 20
