"""A version of a storage beside the one that is read."""

from __future__ import annotations

from dataclasses import replace

import pytest

from storage import Counters, Memory, MemoryReads, UnitId, Writes
from storage.address import Address
from storage.comparison import compare, judged


def filled(memory: Memory, version: int, rows: dict[str, int]) -> None:
    descriptor = replace(Counters("tags").describe("notes", version, version, "notes"), technology="memory")
    memory.declare(descriptor)
    claim = memory.claim(UnitId("notes", version, version, "notes", 0), "me")
    sums = {Address("counters/tags", key): {"count": amount} for key, amount in rows.items()}
    memory.commit(claim, None, 1, Writes(sums=sums), None)


async def test_rows_of_both_versions_are_looked_at() -> None:
    memory = Memory()
    filled(memory, 1, {"a": 1, "b": 2, "c": 3})
    filled(memory, 2, {"a": 1, "b": 4, "d": 5})
    old, new = sorted(memory.storages(), key=lambda item: item.version)

    found = await compare(MemoryReads(memory), old, new)

    assert (found.storage, found.old, found.new) == ("memory/counters/tags", 1, 2)
    assert (found.old_rows, found.new_rows, found.sampled) == (3, 3, 4)
    assert (found.equal, found.missing, found.added) == (1, 1, 1)
    assert (found.old_sum, found.new_sum) == (6, 10)
    assert found.doubt is None


def test_rows_are_equal_to_nine_digits_and_in_all_their_parts() -> None:
    before = [[{"member": "a", "score": 0.3}], {"x": 1.0}, {"x": [1, 2]}, {"x": 1}, None]
    after = [[{"member": "a", "score": 0.1 + 0.2}], {"x": 1.001}, {"x": [1, 2, 3]}, {"x": 1, "y": 1}, {"x": 1}]
    found = judged("s", (1, 2), (None, None), before, after)
    assert (found.sampled, found.equal, found.added, found.doubt) == (5, 1, 1, None)


@pytest.mark.parametrize(("before", "after", "doubtful"), [(10, 4, True), (10, 5, False), (0, 0, False), (10, 0, True)])
def test_a_version_with_far_fewer_rows_is_doubtful(before: int, after: int, doubtful: bool) -> None:
    found = judged("redis/counters/tags", (1, 2), (before, after), [], [])
    assert (found.doubt is not None) is doubtful
    if found.doubt:
        assert "redis/counters/tags@2" in found.doubt
