"""Catalogues that any program may write, names that move while versions are removed, loads that end."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any
from zlib import crc32

import pytest

from storage.address import Address
from storage.alias import Alias
from storage.catalogue import Catalogue
from storage.descriptor import Descriptor
from storage.errors import EntryDamaged, StorageMissing
from storage.loads.filling import Filling
from storage.retention import Retention
from storage.technology import Technology
from storage.versions import collect, delete, discard, next_version, present, rollback, switch
from storage.watch import Watch
from storage.writes import Writes
from tests.contracts import foreign
from tests.contracts.conftest import Sides, pointed
from tests.contracts.model import OTHER, RECORDS, storage

NOTHING_KEPT = Retention(previous=0, age=timedelta(0))
BROKEN = f"{RECORDS}@7"
WHOLE = asdict(storage(RECORDS, version=7))
ROW = Writes(puts={Address(RECORDS, "k"): b"1"})


def loaded(version: int, **changes: Any) -> Descriptor:
    """A version that nobody has written but a load."""
    return storage(RECORDS, f"load_{version}", version, topic="", made_by="ada", **changes)


def damaged(**changes: Any) -> str:
    return json.dumps({**WHOLE, **changes})


def keep(technology: Technology, kind: Any, entry: str, text: str) -> None:
    if not foreign.keep(technology, kind, entry, text):
        pytest.skip("nobody else writes here")


def catalogue_of(sides: Sides) -> Catalogue:
    catalogue = Catalogue({sides.technology.name: sides.reads})
    sides.ask(catalogue.refresh())
    return catalogue


@pytest.mark.parametrize(
    "text",
    [
        "{broken",
        "null",
        "[]",
        "{}",
        "[" * 100_000,
        damaged(version="2"),
        damaged(version=True),
        damaged(version=8),
        damaged(options=None),
        damaged(schema=[]),
        damaged(generation=2**70),
        damaged(name="<b>"),
        damaged(alive_ms=10**17),
        damaged(made_by="\ud800"),
        damaged(options={"size": float("nan")}),
    ],
    ids=lambda text: text[:12] if len(text) < 20 else f"{crc32(text.encode(errors='replace')) & 0xFFFF}",
)
def test_an_entry_that_cannot_be_read_hides_no_other_and_can_be_removed(sides: Sides, text: str) -> None:
    mine = sides.technology.declare(storage(OTHER))
    keep(sides.technology, "storage", BROKEN, text)
    assert sides.technology.storages() == sides.ask(sides.reads.listed()).sorted() == [mine]
    [found] = sides.technology.damaged()
    assert (found.kind, found.entry) == ("storage", BROKEN)
    assert sides.ask(sides.reads.listed()).damaged == [found]
    catalogue = catalogue_of(sides)
    assert [item.entry for item in catalogue.storages()] == [mine.entry]
    assert [BROKEN in sentence and "--force" in sentence for sentence in catalogue.damaged()] == [True]
    with pytest.raises(EntryDamaged, match="delete"):
        sides.technology.declare(storage(RECORDS, version=7))
    assert next_version(sides.technology, "records", "seen") == 8
    assert collect(sides.technology, NOTHING_KEPT) == []
    assert not discard(sides.technology, mine.entry)
    assert discard(sides.technology, BROKEN)
    assert sides.technology.damaged() == []
    assert sides.technology.storages() == [mine]


@pytest.mark.parametrize("text", ["{broken", "{}", '{"version": 1, "newest": 1, "previous": null, "since_ms": 1e99}'])
def test_a_name_that_stands_for_what_cannot_be_read_leads_to_nothing_until_somebody_says_to_what(
    sides: Sides, text: str
) -> None:
    one = sides.technology.declare(loaded(1, state="filling"))
    assert sides.technology.alter(one, replace(one, state="ready"))
    keep(sides.technology, "alias", RECORDS, text)
    two = sides.technology.declare(loaded(2))
    sides.technology.point([two])
    assert pointed(sides) == {}, "what was rolled back must not return by itself"
    with pytest.raises(StorageMissing, match="cannot be read; ready are: @1, @2"):
        catalogue_of(sides).find("records", "seen")
    switch(sides.technology, "records", "seen", 1)
    assert pointed(sides) == {("records", "seen"): 1}
    assert catalogue_of(sides).find("records", "seen").version == 1


def test_a_state_of_a_later_release_is_read_by_nobody_and_stays(sides: Sides) -> None:
    one = sides.technology.declare(loaded(1))
    later = sides.technology.declare(loaded(2, state="archived"))
    with pytest.raises(StorageMissing, match="ready are: @1"):
        switch(sides.technology, "records", "seen", 2)
    watched = Watch(iter([0.0, 100.0]).__next__)
    for _ in range(2):
        assert collect(sides.technology, NOTHING_KEPT, watched) == []
    assert sides.technology.storages() == [one, later]
    assert catalogue_of(sides).find("records", "seen").version == 1


def test_a_lease_that_is_no_number_counts_as_none(sides: Sides) -> None:
    sides.technology.declare(loaded(1))
    sides.ask(sides.reads.lease(["x/records/seen@1"], 50))
    if not foreign.lease(sides.technology, "x/records/seen@2", "soon"):
        pytest.skip("only numbers can be written here")
    assert sides.technology.leases() == {"x/records/seen@1": 50}


def three(sides: Sides) -> list[Descriptor]:
    """Three versions; the third was rolled back to the second."""
    items = [sides.technology.declare(loaded(version)) for version in (1, 2, 3)]
    for item in items:
        switch(sides.technology, *item.place, item.version)
    rollback(sides.technology, "records", "seen")
    return items


@pytest.mark.parametrize("removed", ["marked", "gone"])
def test_a_switch_to_what_is_removed_at_this_moment_moves_no_name(sides: Sides, removed: str) -> None:
    one, *_ = three(sides)
    before = sides.technology.aliases()
    doomed = replace(one, state="deleting")
    assert sides.technology.alter(one, doomed)
    if removed == "gone":
        sides.technology.erase(doomed)
    assert not sides.technology.switch([one])
    sides.technology.point([replace(one, version=9)])
    with pytest.raises(StorageMissing, match="ready are: @2, @3"):
        switch(sides.technology, "records", "seen", 1)
    assert sides.technology.aliases() == before
    assert catalogue_of(sides).find("records", "seen").version == 2


def test_of_several_names_none_moves_where_one_of_their_versions_is_gone(sides: Sides) -> None:
    every = [[sides.technology.declare(storage(name, version=v)) for name in (RECORDS, OTHER)] for v in (1, 2)]
    assert sides.technology.switch(every[1])
    sides.technology.erase(every[0][1])
    assert not sides.technology.switch(every[0])
    assert pointed(sides) == {("records", "seen"): 2, ("records", "other"): 2}


def test_a_version_with_the_number_of_one_that_is_gone_is_another_one(sides: Sides) -> None:
    one = sides.technology.declare(loaded(1))
    assert not sides.technology.switch([replace(one, generation=5)])


def test_a_name_whose_version_is_gone_leads_to_what_it_stood_for_before_and_to_nothing_newer(sides: Sides) -> None:
    items = [sides.technology.declare(loaded(version)) for version in (1, 2, 3)]
    alias = Alias(version=7, newest=7, previous=2, since_ms=5)
    sides.technology.erase(items[0])  # and the name with it
    keep(sides.technology, "alias", RECORDS, alias.to_json())
    catalogue = catalogue_of(sides)
    assert catalogue.find("records", "seen").version == 2
    sides.technology.erase(items[1])
    with pytest.raises(StorageMissing, match="stands for @7, which is not there; ready are: @3"):
        catalogue_of(sides).find("records", "seen")


def test_what_a_name_is_switched_to_while_it_is_deleted_stays(sides: Sides, monkeypatch: pytest.MonkeyPatch) -> None:
    one, *_ = three(sides)
    alter, met = sides.technology.alter, list[Alias]()

    def meets(existing: Descriptor, wanted: Descriptor) -> bool:
        if not met:
            met.append(switch(sides.technology, "records", "seen", 1))
        return alter(existing, wanted)

    monkeypatch.setattr(sides.technology, "alter", meets)
    assert delete(sides.technology, "records", "seen", 1) == 0
    assert [item.state for item in sides.technology.storages()] == ["ready"] * 3
    assert sides.technology.storages()[0] == one
    assert pointed(sides) == {("records", "seen"): 1}


def test_a_load_whose_clock_is_behind_is_dead_only_when_it_is_silent(
    sides: Sides, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    watch = Watch(lambda: now[0])
    monkeypatch.setattr("storage.loads.filling.now_ms", lambda: 1_000_000 + round(now[0] * 1000))
    monkeypatch.setattr("storage.loads.filling.BEAT", timedelta(0))
    filling = Filling(sides.technology, loaded(1), "ada")
    filling.begin()
    for now[0] in (0.0, 61.0, 122.0):
        filling.go_on()
        assert collect(sides.technology, NOTHING_KEPT, watch) == [], "it has said something since"
    now[0] = 183.0
    assert [item.version for item in collect(sides.technology, NOTHING_KEPT, watch)] == [1]


def test_what_a_load_whose_clock_is_years_ahead_has_left_is_collected(
    sides: Sides, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.loads.filling.now_ms", lambda: 4_000_000_000_000)
    Filling(sides.technology, loaded(1), "ada").begin()
    assert collect(sides.technology, NOTHING_KEPT) == [], "who looks once cannot know"
    watch = Watch(iter([0.0, 60.0]).__next__)
    assert collect(sides.technology, NOTHING_KEPT, watch) == []
    assert [item.version for item in collect(sides.technology, NOTHING_KEPT, watch)] == [1]
    assert sides.technology.storages() == []


def test_leases_of_what_is_gone_are_gone(sides: Sides) -> None:
    one, two = (sides.technology.declare(loaded(version)) for version in (1, 2))
    late = f"{one.technology}/{RECORDS}@9"
    sides.ask(sides.reads.lease([one.title, two.title], 50))
    switch(sides.technology, "records", "seen", 2)
    assert delete(sides.technology, "records", "seen", 1) == 1
    assert set(sides.technology.leases()) == {two.title}
    sides.ask(sides.reads.lease([late], 50))  # by a service that had not seen yet that it is gone
    collect(sides.technology, Retention())
    assert set(sides.technology.leases()) == {two.title}


def test_a_load_that_is_abandoned_gives_its_rows_back_before_it_is_marked(
    sides: Sides, monkeypatch: pytest.MonkeyPatch
) -> None:
    filling = Filling(sides.technology, loaded(1), "ada")
    filling.begin()
    filling.fill(ROW)
    left: list[int] = []

    def full(existing: Descriptor, wanted: Descriptor) -> bool:
        left.append(len(list(sides.technology.dump(filling.descriptor))))
        return alter(existing, wanted)

    alter = sides.technology.alter
    monkeypatch.setattr(sides.technology, "alter", full)
    filling.abandon()
    assert left == [0]
    assert sides.technology.storages() == []


def test_what_watches_sees_every_sign_of_life(sides: Sides) -> None:
    filling = Filling(sides.technology, loaded(1), "ada")
    filling.begin()
    sides.ask(sides.reads.lease(["x/records/seen@1"], 50))
    assert set(present(sides.technology).signs()) == {("load", filling.descriptor.title), ("lease", "x/records/seen@1")}
