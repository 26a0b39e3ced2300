"""Along a chain of learners, whatever is killed or frozen between emission and commit, each event counts once."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.prove_chain.attack import STEPS, Plan, attack

KILLS = int(os.environ.get("MILLRACE_KILLS", "4"))
MANY = KILLS // 20
PLAN = Plan(STEPS * MANY or ("sending", "acknowledged"), STEPS * MANY or ("sent",), KILLS // 4)


@pytest.mark.slow
@pytest.mark.server
@pytest.mark.timeout(300 + 20 * KILLS)
def test_whatever_is_killed_along_a_chain_each_event_counts_once(
    kafka: str, registry_url: str, redis_clean: str, tmp_path: Path
) -> None:
    found = attack(PLAN, kafka, registry_url, redis_clean, tmp_path)
    print(found)
    assert (found.lost, found.doubled, found.wrong) == (0, 0, [])
    assert found.repeats > 0, "Nothing was emitted twice, so no mark was tried."
    assert found.ended >= Counter([*PLAN.killed, *PLAN.frozen])
