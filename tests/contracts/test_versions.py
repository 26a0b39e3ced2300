"""Versions and what names stand for, loads that nobody reads yet, versions that end: the same in every technology."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from typing import Any

import pytest

from storage.address import Address
from storage.descriptor import Descriptor
from storage.errors import StorageConflict, WriteRefused
from storage.technology import Newest, Technology
from storage.unit import Outcome
from storage.versions import trim
from storage.writes import Writes
from tests.contracts.conftest import Sides, needs, pointed
from tests.contracts.model import COUNTS, OTHER, PLACES, RECORDS, TREND, storage, unit

ROWS: dict[str, Callable[[str, int], Writes]] = {
    RECORDS: lambda key, value: Writes(puts={Address(RECORDS, key): str(value).encode()}),
    COUNTS: lambda key, value: Writes(sums={Address(COUNTS, key): {"x": value}}),
    PLACES: lambda key, value: Writes(ranks={Address(PLACES, key): {"x": float(value)}}),
    TREND: lambda key, value: Writes(scores={Address(TREND, key, 3): {"x": float(value)}}, newest={TREND: value}),
}
"""How a row is written into each kind of storage."""


def loaded(name: str, version: int = 1, **changes: Any) -> Descriptor:
    """A version that a file is loaded into."""
    plain = storage(name, learner=f"load_{name.replace('/', '_')}", version=version, topic="", made_by="ada")
    return replace(plain, state="filling", **changes)


def written(writes: Writes) -> dict[Address, Any]:
    return {**writes.puts, **writes.sums, **writes.ranks, **writes.scores}


def test_names_may_be_switched_back_and_then_return_only_when_they_are_told_to(sides: Sides) -> None:
    one, two = (sides.technology.declare(storage(OTHER, version=version)) for version in (1, 2))
    sides.technology.point([two])
    sides.technology.switch([one])
    assert pointed(sides) == {("records", "other"): 1}
    sides.technology.point([two])
    assert pointed(sides) == {("records", "other"): 1}, "a version that was rolled back came back by itself"
    three = sides.technology.declare(storage(OTHER, version=3))
    sides.technology.point([three])
    [alias] = sides.technology.aliases().values()
    assert (alias.version, alias.newest, alias.previous) == (3, 3, 1)
    sides.technology.switch([two])
    assert pointed(sides) == {("records", "other"): 2}


def test_several_names_are_switched_at_one_moment(sides: Sides) -> None:
    versions = [[sides.technology.declare(storage(name, version=v)) for name in (RECORDS, OTHER)] for v in (1, 2)]
    sides.technology.point(versions[1])
    sides.technology.switch(versions[0])
    assert pointed(sides) == {("records", "seen"): 1, ("records", "other"): 1}


def test_many_who_move_a_name_at_once_leave_it_at_the_newest(sides: Sides) -> None:
    items = [sides.technology.declare(storage(OTHER, version=version)) for version in range(1, 7)]
    barrier = Barrier(len(items))

    def move(item: Descriptor) -> None:
        barrier.wait()
        sides.technology.point([item])

    with ThreadPoolExecutor(len(items)) as pool:
        list(pool.map(move, items))
    assert pointed(sides) == {("records", "other"): 6}


def test_a_storage_that_was_created_before_anybody_wrote_it_is_taken_by_its_first_writer(sides: Sides) -> None:
    created = sides.technology.declare(storage(RECORDS, writer="", topic="", made_by="ada"))
    mine = sides.technology.declare(storage(RECORDS, created="2027-01-01T00:00:00+00:00"))
    assert mine == replace(storage(RECORDS), created=created.created, made_by="ada")
    assert sides.technology.storages() == [mine]
    with pytest.raises(StorageConflict, match="writer"):
        sides.technology.declare(storage(RECORDS, learner="other"))


def test_a_storage_that_nobody_has_written_and_that_differs_may_be_deleted_says_its_refusal(sides: Sides) -> None:
    created = sides.technology.declare(storage(RECORDS, writer="", topic="", options={"half_life": 30}))
    with pytest.raises(StorageConflict, match=rf"half_life.*`millrace storages delete {created.title}`"):
        sides.technology.declare(storage(RECORDS))
    sides.technology.erase(created)
    mine = sides.technology.declare(storage(RECORDS))
    with pytest.raises(StorageConflict) as refused:
        sides.technology.declare(storage(RECORDS, options={"half_life": 30}))
    assert (sides.technology.storages(), "delete" in str(refused.value)) == ([mine], False)


def test_of_two_who_create_a_storage_at_once_one_is_there(sides: Sides) -> None:
    barrier = Barrier(6)

    def create(number: int) -> Descriptor:
        barrier.wait()
        return sides.technology.declare(storage(RECORDS, writer="", topic="", made_by=f"team {number}"))

    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(create, range(6)))
    assert len({item.made_by for item in found}) == 1
    assert sides.technology.storages() == found[:1]


def test_a_descriptor_changes_only_from_what_it_is(sides: Sides) -> None:
    filling = sides.technology.declare(loaded(RECORDS))
    ready = replace(filling, state="ready")
    assert sides.technology.alter(filling, ready)
    assert not sides.technology.alter(filling, ready)
    assert sides.ask(sides.reads.listed()).sorted() == [ready]


def test_no_name_leads_to_a_version_that_is_being_filled(sides: Sides) -> None:
    filling = sides.technology.declare(loaded(RECORDS))
    assert pointed(sides) == {}
    with pytest.raises(StorageConflict, match="filling"):
        sides.technology.declare(storage(RECORDS))
    ready = replace(filling, state="ready")
    sides.technology.alter(filling, ready)
    sides.technology.switch([ready])
    assert pointed(sides) == {("records", "seen"): 1}


@pytest.mark.parametrize("name", list(ROWS))
def test_what_is_filled_is_there_chunk_after_chunk(sides: Sides, name: str) -> None:
    needs(sides.technology, name.partition("/")[0])
    item = sides.technology.declare(loaded(name))
    chunks = [ROWS[name](f"k{number}", number) for number in range(5)]
    for chunk in chunks:
        sides.technology.fill(item, chunk)
    sides.searchable()
    assert dict(sides.technology.dump(item)) == {key: row for chunk in chunks for key, row in written(chunk).items()}
    assert sides.ask(sides.reads.count(item)) in (5, None)
    assert sides.technology.newest(item) == (Newest(3, 4) if name == TREND else Newest())
    assert set(sides.ask(sides.reads.keys(item, 10))) == {f"k{number}" for number in range(5)}
    assert len(sides.ask(sides.reads.keys(item, 2))) == 2
    size = sides.ask(sides.reads.size(item))
    assert size is None or size > 0


@pytest.mark.parametrize("name", list(ROWS))
def test_what_is_filled_twice_is_refused(sides: Sides, name: str) -> None:
    needs(sides.technology, name.partition("/")[0])
    item = sides.technology.declare(loaded(name))
    sides.technology.fill(item, ROWS[name]("k", 1))
    with pytest.raises(WriteRefused, match="already"):
        sides.technology.fill(item, ROWS[name]("k", 2))


def test_an_erased_version_leaves_nothing_and_the_others_are_as_they_were(sides: Sides) -> None:
    kept = sides.technology.declare(loaded(RECORDS, version=1))
    gone = sides.technology.declare(loaded(RECORDS, version=2))
    for item in (kept, gone):
        sides.technology.fill(item, ROWS[RECORDS]("k", item.version))
    sides.technology.alter(gone, replace(gone, state="deleting"))
    for _ in range(2):  # the second time is that after a crash
        sides.technology.erase(replace(gone, state="deleting"))
    assert sides.technology.storages() == [kept]
    assert dict(sides.technology.dump(gone)) == {}
    assert sides.ask(sides.reads.rows(gone, ["k"])) == [None]
    assert dict(sides.technology.dump(kept)) == {Address(RECORDS, "k"): b"1"}


def test_a_name_ends_with_the_version_that_it_stands_for(sides: Sides) -> None:
    [one, two] = [sides.technology.declare(storage(OTHER, version=version)) for version in (1, 2)]
    sides.technology.erase(two)
    assert pointed(sides) == {("records", "other"): 1}
    sides.technology.erase(one)
    assert pointed(sides) == {}


def test_who_wrote_an_erased_generation_is_fenced(technology: Technology) -> None:
    items = [technology.declare(storage(name)) for name in (RECORDS, OTHER)]
    zombie = technology.claim(unit(), "a")
    assert technology.commit(zombie, None, 1, ROWS[RECORDS]("k", 1), None) is Outcome.OK
    technology.erase(items[0])
    assert technology.commit(zombie, 1, 2, Writes(puts={Address(OTHER, "k"): b"1"}), None) is Outcome.OK, (
        "another storage is left"
    )
    technology.erase(items[1])
    assert technology.commit(zombie, 2, 3, ROWS[RECORDS]("k", 2), None) is Outcome.FENCED
    assert technology.units(storage(RECORDS)) == []
    assert dict(technology.dump(storage(RECORDS))) == {}


def test_a_lease_is_seen_by_those_who_write(sides: Sides) -> None:
    assert sides.technology.leases() == {}
    sides.ask(sides.reads.lease(["x/ranking/places@1", "x/records/seen@2"], 50))
    sides.ask(sides.reads.lease(["x/ranking/places@1"], 70))
    sides.ask(sides.reads.lease([], 90))
    assert sides.technology.leases() == {"x/ranking/places@1": 70, "x/records/seen@2": 50}


def test_buckets_that_nobody_reads_any_more_are_removed(sides: Sides) -> None:
    needs(sides.technology, "ranking")
    item = sides.technology.declare(storage(TREND, options={"half_life_ms": 1000}))
    claim = sides.technology.claim(unit(), "a")
    rows = {Address(TREND, key, bucket): {"x": 1.0, "y": 2.0} for key in ("k", "l:1") for bucket in (-1, 5, 6, 7)}
    sides.technology.commit(claim, None, 1, Writes(scores=rows, newest={TREND: 1}), None)
    trimmed: dict[str, int] = {}
    for _ in range(2):
        trim(sides.technology, trimmed)
        left = {address: row for address, row in rows.items() if address.bucket in (6, 7)}
        assert dict(sides.technology.dump(item)) == left
        assert sides.ask(sides.reads.count(item)) in (8, None)
    assert trimmed == {item.title: 7}
