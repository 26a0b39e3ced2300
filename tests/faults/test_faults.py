"""Workers, servers and connections are killed, frozen and cut: no event is lost and none counts twice."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks.prove_storage.faults import Plan, attack
from benchmarks.prove_storage.targets import TARGETS
from millrace.stack import StackError
from tests.conftest import unavailable

KILLS = int(os.environ.get("MILLRACE_KILLS", "2"))
PLAN = Plan(
    kills=KILLS,
    zombies=1 + KILLS // 20,
    sleepers=KILLS // 40,
    restarts=1 + KILLS // 40,
    cuts=1 + KILLS // 5,
    seconds=70 + 3 * KILLS,
)


@pytest.mark.slow
@pytest.mark.timeout(300 + 20 * KILLS)
@pytest.mark.parametrize("name", TARGETS)
def test_whatever_is_killed_the_rows_are_exactly_the_fold_of_the_log(
    name: str, kafka: str, registry_url: str, tmp_path: Path
) -> None:
    try:
        found = attack(TARGETS[name], PLAN, kafka, registry_url, tmp_path)
    except StackError as error:
        unavailable(error)
    print(found)
    assert (found.lost, found.doubled) == (0, 0), found
    assert found.kills >= KILLS
    assert found.zombies >= 1, "No zombie came back, so the fence was not tried."
    assert found.fenced >= found.zombies
