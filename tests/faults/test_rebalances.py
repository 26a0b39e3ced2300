"""Two workers join and leave a group under load: no event is lost or counts twice, and memory does not grow."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import pytest

from benchmarks.prove_storage.control import compared
from benchmarks.prove_storage.member import Member, until
from benchmarks.prove_storage.product import PARTITIONS
from benchmarks.prove_storage.stage import staged
from benchmarks.prove_storage.targets import TARGETS

REBALANCES = int(os.environ.get("MILLRACE_REBALANCES", "2"))
WARM = 20
"""After so many its memory is compared with that at the end."""
PATIENCE = 60.0


@pytest.mark.slow
@pytest.mark.timeout(180 + 20 * REBALANCES)
def test_two_workers_that_join_and_leave_under_load_neither_lose_nor_repeat_an_event(
    kafka: str, registry_url: str, tmp_path: Path
) -> None:
    with staged(TARGETS["redis"], kafka, registry_url, tmp_path) as stage:
        stage.begin()
        host, guest = stage.members
        warm = 0
        for number in range(0, REBALANCES, 2):
            known = len(host.look())
            guest.end()
            until(partial(has_all, host, known), PATIENCE, "the host getting what the guest has left")
            guest.start()
            guest.until_line("delivered", guest.process, PATIENCE)
            if number == WARM:
                warm = resident(host)
        found, warm = resident(host), warm or resident(host)
        difference = compared(stage.events, stage.finish())
        print(f"{len(stage.events)} events, {warm >> 20} MB, then {found >> 20} MB")
        assert (difference.lost, difference.duplicated) == (0, 0)
        assert difference.rows > 0
        assert found <= 1.1 * warm


def has_all(host: Member, known: int) -> bool:
    """Whether the lines from `known` on say that the host has claimed the other half."""
    return len({line["claimed"][1] for line in host.look()[known:] if "claimed" in line}) >= PARTITIONS // 2


def resident(member: Member) -> int:
    """Bytes of memory that its process has."""
    return int(Path(f"/proc/{member.process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
