"""Rows that are taken out of a version while somebody writes it: gone for good, and nothing else is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from storage.address import Address
from storage.errors import Fenced
from storage.technology import Technology
from storage.unit import Outcome
from storage.writes import Writes
from tests.contracts.conftest import holds, needs
from tests.contracts.model import COUNTS, PLACES, RECORDS, TREND, storage, unit

MINE, YOURS = Address(RECORDS, "u1"), Address(RECORDS, "u2")


def test_a_row_that_was_put_is_gone_and_who_had_the_unit_cannot_write_it_again(technology: Technology) -> None:
    worker = technology.claim(unit(), "worker")
    technology.commit(worker, None, 3, Writes(puts={MINE: b"mine", YOURS: b"yours"}), None)

    claim = technology.claim(unit(), "eraser")
    technology.remove(storage(RECORDS), claim, {MINE: None, Address(RECORDS, "nobody"): None})

    assert technology.commit(worker, 3, 4, Writes(puts={MINE: b"mine again"}), None) is Outcome.FENCED
    assert dict(technology.dump(storage(RECORDS))) == {YOURS: b"yours"}
    with pytest.raises(Fenced):
        technology.remove(storage(RECORDS), worker, {YOURS: None})
    worker = technology.claim(unit(), "worker again")
    assert worker.next == 3
    if holds(technology, "parameters"):
        assert technology.read(worker, 3, [MINE, YOURS]) == [None, b"yours"]
    assert technology.commit(worker, 3, 4, Writes(puts={MINE: b"new"}), None) is Outcome.OK
    assert dict(technology.dump(storage(RECORDS))) == {MINE: b"new", YOURS: b"yours"}


def test_sums_and_members_go_as_rows_or_one_by_one_and_are_added_to_from_nothing(technology: Technology) -> None:
    needs(technology, "counters", "ranking")
    counts, trend, place = Address(COUNTS, "u1"), Address(TREND, "all", 7), Address(PLACES, "all")
    writes = Writes(
        sums={counts: {"a": 2}, Address(COUNTS, "all"): {"u1": 5, "u2": 6}},
        scores={trend: {"u1": 1.5, "i1": 2.5}},
        ranks={place: {"u1": 9.0}},
    )
    worker = technology.claim(unit(), "worker")
    technology.commit(worker, None, 3, writes, None)
    other = technology.claim(unit(partition=1), "other")
    technology.commit(other, None, 8, Writes(sums={counts: {"a": 40}}), None)

    for partition in (0, 1):
        claim = technology.claim(unit(partition=partition), "eraser")
        technology.remove(storage(COUNTS), claim, {counts: None, Address(COUNTS, "all"): {"u1"}})
        technology.remove(storage(TREND), claim, {trend: {"u1"}})
        technology.remove(storage(PLACES), claim, {place: {"u1"}})

    assert dict(technology.dump(storage(COUNTS))) == {Address(COUNTS, "all"): {"u2": 6}}
    assert dict(technology.dump(storage(TREND))) == {trend: {"i1": 2.5}}
    assert dict(technology.dump(storage(PLACES))) == {}
    worker = technology.claim(unit(), "worker again")
    technology.commit(worker, 3, 4, Writes(sums={counts: {"a": 1}}, scores={trend: {"u1": 1.0}}), None)
    assert dict(technology.dump(storage(COUNTS)))[counts] == {"a": 1}
    assert dict(technology.dump(storage(TREND))) == {trend: {"i1": 2.5, "u1": 1.0}}


def test_rows_of_a_load_go_without_a_claim(technology: Technology) -> None:
    loaded = replace(
        storage(RECORDS, "load_records_seen"), topic="", state="filling", alive_ms=1, technology=technology.name
    )
    loaded = technology.declare(loaded)
    technology.fill(loaded, Writes(puts={MINE: b"mine", YOURS: b"yours"}))

    technology.remove(loaded, None, {MINE: None})

    assert dict(technology.dump(loaded)) == {YOURS: b"yours"}
