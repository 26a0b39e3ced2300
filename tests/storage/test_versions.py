"""Storages and their versions as people and jobs change them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from threading import Barrier

import pytest

from storage import (
    Address,
    Counters,
    Descriptor,
    Memory,
    Ranking,
    StorageConflict,
    StorageMissing,
    UnitId,
    Writes,
)
from storage.formats.blank import blank
from storage.retention import Retention
from storage.versions import collect, create, delete, rollback, switch, versions

NOTHING_KEPT = Retention(previous=0, age=timedelta(0))
ROW = Address("ranking/popular", "all")


def learned(memory: Memory, version: int) -> list[Descriptor]:
    """A learner's version with two storages, which their names stand for."""
    forms = [Ranking("popular", technology="memory"), Counters("clicks", technology="memory")]
    items = [memory.declare(form.describe("popular", version, version, "clicks")) for form in forms]
    claim = memory.claim(UnitId("popular", version, version, "clicks", 0), f"owner {version}")
    memory.commit(claim, None, 1, Writes(scores={ROW: {f"v{version}": 1.0}}), None)
    memory.point(items)
    return items


@pytest.fixture
def memory() -> Memory:
    return Memory()


@pytest.fixture
def three(memory: Memory, monkeypatch: pytest.MonkeyPatch) -> Memory:
    """Three versions of one learner, whose workers have been gone for long."""
    for version in (1, 2, 3):
        learned(memory, version)
    monkeypatch.setattr("storage.versions.now_ms", lambda: time.time_ns() // 1_000_000 + 3_600_000)
    return memory


def names(memory: Memory) -> dict[str, int]:
    return {name: alias.version for (_, name), alias in memory.aliases().items()}


def titles(items: Sequence[Descriptor]) -> list[str]:
    return [item.title for item in items]


def test_a_created_storage_is_empty_and_its_name_stands_for_it(memory: Memory) -> None:
    found = create(memory, blank("memory", "ranking", "popular", {"half_life": "6h"}), "ada")
    assert (found.title, found.writer, found.made_by) == ("memory/ranking/popular@1", "", "ada")
    assert versions(memory, "ranking", "popular") == [found]
    assert names(memory) == {"popular": 1}
    assert list(memory.dump(found)) == []


def test_a_name_that_is_taken_is_refused_with_who_took_it(memory: Memory) -> None:
    create(memory, blank("memory", "ranking", "popular", {}), "ada")
    with pytest.raises(StorageConflict, match=r"memory/ranking/popular@1 exists already, created by ada at 20"):
        create(memory, blank("memory", "ranking", "popular", {}), "bob")
    learned(memory, 1)
    with pytest.raises(StorageConflict, match=r"clicks@1 exists already, created by learner popular@1"):
        create(memory, blank("memory", "counters", "clicks", {}), "bob")


@pytest.mark.parametrize("size", [None, 5])
def test_of_two_who_create_one_name_at_once_one_wins_and_the_other_is_told(memory: Memory, size: int | None) -> None:
    barrier = Barrier(2)

    def make(team: str) -> Descriptor | StorageConflict:
        barrier.wait()
        try:
            return create(memory, blank("memory", "ranking", "popular", {"size": size if team == "bob" else 5}), team)
        except StorageConflict as error:
            return error

    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(make, ["ada", "bob"])
    won, refused = (one, other) if isinstance(one, Descriptor) else (other, one)
    assert isinstance(won, Descriptor)
    assert isinstance(refused, StorageConflict)
    assert "exists already" in str(refused)
    assert memory.storages() == [won]


def test_a_switch_takes_all_storages_of_the_learner_with_it(three: Memory) -> None:
    alias = switch(three, "ranking", "popular", 1)
    assert (alias.version, alias.previous) == (1, 3)
    assert names(three) == {"popular": 1, "clicks": 1}


def test_a_switch_to_what_was_created_or_loaded_takes_nothing_with_it(memory: Memory) -> None:
    for name in ("popular", "other"):
        create(memory, blank("memory", "ranking", name, {}), "ada")
    second = replace(versions(memory, "ranking", "popular")[0], version=2, made_by="bob")
    memory.declare(second)
    switch(memory, "ranking", "popular", 2)
    assert names(memory) == {"popular": 2, "other": 1}


def test_a_switch_to_what_cannot_be_read_says_what_can(three: Memory) -> None:
    with pytest.raises(StorageMissing, match=r"ranking/popular@9 is not there to be read; ready are: @1, @2, @3"):
        switch(three, "ranking", "popular", 9)
    one = versions(three, "ranking", "popular")[0]
    three.alter(one, replace(one, state="deleting"))
    with pytest.raises(StorageMissing, match=r"ready are: @2, @3"):
        switch(three, "ranking", "popular", 1)


def test_rolled_back_again_and_again_it_goes_back_one_version_each_time(three: Memory) -> None:
    assert rollback(three, "ranking", "popular").version == 2
    assert rollback(three, "ranking", "popular").version == 1
    with pytest.raises(StorageMissing, match="no lower version"):
        rollback(three, "ranking", "popular")
    assert names(three) == {"popular": 1, "clicks": 1}
    with pytest.raises(StorageMissing):
        rollback(three, "ranking", "nothing")


def test_rolled_back_it_goes_to_what_was_read_before_and_not_to_what_lies_between(three: Memory) -> None:
    switch(three, "ranking", "popular", 1)
    switch(three, "ranking", "popular", 3)
    assert rollback(three, "ranking", "popular").version == 1


def test_all_versions_are_deleted_with_their_rows_and_their_name(three: Memory) -> None:
    gone = versions(three, "ranking", "popular")
    assert delete(three, "ranking", "popular") == 3
    assert titles(three.storages()) == [f"memory/counters/clicks@{version}" for version in (1, 2, 3)]
    assert names(three) == {"clicks": 3}
    assert [row for item in gone for row in three.dump(item)] == []
    with pytest.raises(StorageMissing, match="ranking/popular does not exist"):
        delete(three, "ranking", "popular")


def test_one_version_is_deleted_unless_readers_get_it(three: Memory) -> None:
    assert delete(three, "ranking", "popular", 1) == 1
    with pytest.raises(StorageConflict, match="is what readers of popular get; roll back or switch"):
        delete(three, "ranking", "popular", 3)
    with pytest.raises(StorageMissing, match="popular@1 does not exist"):
        delete(three, "ranking", "popular", 1)
    delete(three, "ranking", "popular", 2)
    assert delete(three, "ranking", "popular", 3) == 1, "no other version is left to switch to"


def test_what_is_written_or_read_is_deleted_only_by_force(memory: Memory) -> None:
    learned(memory, 1)
    with pytest.raises(StorageConflict, match=r"its learner popular@1 writes it\. End that first, or force it"):
        delete(memory, "ranking", "popular")
    assert len(memory.storages()) == 2
    assert delete(memory, "ranking", "popular", force=True) == 1


def test_what_may_go_is_collected_and_what_is_read_is_not(three: Memory) -> None:
    three.lease(["memory/ranking/popular@1"], 9_999_999_999_999)
    assert titles(collect(three, NOTHING_KEPT)) == [
        "memory/counters/clicks@1",
        "memory/counters/clicks@2",
        "memory/ranking/popular@2",
    ]
    assert titles(three.storages()) == [
        "memory/counters/clicks@3",
        "memory/ranking/popular@1",
        "memory/ranking/popular@3",
    ]
    assert collect(three, NOTHING_KEPT) == []


class Meddled(Memory):
    """Lets somebody act between the decision to remove a version and the mark on it."""

    def __init__(self, act: Callable[[Memory], object]) -> None:
        super().__init__()
        self._act: Callable[[Memory], object] | None = act

    def alter(self, existing: Descriptor, wanted: Descriptor) -> bool:
        if wanted.state == "leaving" and self._act is not None:
            act, self._act = self._act, None
            act(self)
        return super().alter(existing, wanted)


@pytest.mark.parametrize(
    "act",
    [
        lambda memory: memory.lease(["memory/counters/clicks@1"], 9_999_999_999_999),
        lambda memory: memory.switch([versions(memory, "counters", "clicks")[0]]),
    ],
    ids=["leased", "switched to"],
)
def test_what_somebody_begins_to_read_while_it_is_collected_stays(
    act: Callable[[Memory], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = Meddled(act)
    for version in (1, 2):
        learned(memory, version)
    monkeypatch.setattr("storage.versions.now_ms", lambda: time.time_ns() // 1_000_000 + 3_600_000)
    collect(memory, NOTHING_KEPT)
    [kept, _] = versions(memory, "counters", "clicks")
    assert (kept.version, kept.state, kept.alive_ms) == (1, "ready", None)


def test_who_switches_to_what_is_removed_at_this_moment_is_told() -> None:
    class Hasty(Memory):
        def switch(self, descriptors: Sequence[Descriptor]) -> bool:
            one = versions(self, "ranking", "popular")[0]
            self.alter(one, replace(one, state="deleting"))
            return super().switch(descriptors)

    hasty = Hasty()
    for version in (1, 2):
        learned(hasty, version)
    with pytest.raises(StorageMissing, match="ready are: @2"):
        switch(hasty, "ranking", "popular", 1)
    assert names(hasty) == {"popular": 2, "clicks": 2}, "no name has moved"


def test_an_interrupted_deletion_is_ended_by_the_next_collection(three: Memory) -> None:
    one = versions(three, "ranking", "popular")[0]
    three.alter(one, replace(one, state="deleting", alive_ms=1))
    assert titles(collect(three, Retention())) == ["memory/ranking/popular@1"]


def test_a_removal_that_ended_before_it_was_decided_is_taken_back(three: Memory) -> None:
    """Somebody rolled back between what the collector saw and its mark; then the collector died."""
    one = versions(three, "ranking", "popular")[0]
    three.switch(versions(three, "ranking", "popular")[:1])
    three.alter(one, replace(one, state="leaving", alive_ms=1))
    assert "memory/ranking/popular@1" not in titles(collect(three, NOTHING_KEPT))
    assert versions(three, "ranking", "popular")[0] == one
    assert dict(three.dump(one)) == {ROW: {"v1": 1.0}}


def test_whoever_was_held_up_before_he_decided_removes_nothing_that_was_taken_back(three: Memory) -> None:
    one = versions(three, "ranking", "popular")[0]
    marked = replace(one, state="leaving", alive_ms=1)
    three.alter(one, marked)
    assert three.alter(marked, one)
    assert not three.alter(marked, replace(marked, state="deleting"))


def test_a_load_that_has_died_is_removed_by_the_next_collection_and_its_name_stays(memory: Memory) -> None:
    create(memory, blank("memory", "ranking", "popular", {}), "ada")
    load = replace(versions(memory, "ranking", "popular")[0], version=2, state="filling", alive_ms=1)
    memory.declare(load)
    memory.fill(load, Writes(ranks={ROW: {"x": 1.0}}))
    assert titles(collect(memory, Retention())) == ["memory/ranking/popular@2"]
    assert names(memory) == {"popular": 1}
    assert list(memory.dump(load)) == []
