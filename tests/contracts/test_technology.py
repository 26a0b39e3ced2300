"""What learners may rely on, whatever the technology."""

from __future__ import annotations

import itertools
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from typing import Any

import pytest

from storage.address import Address
from storage.errors import Fenced, Gap, StorageConflict, WriteRefused
from storage.technology import Newest, Technology
from storage.unit import FURTHEST, Claim, Outcome
from storage.writes import Writes
from tests.contracts.conftest import Sides, holds, needs, pointed
from tests.contracts.model import COUNTS, OTHER, PLACES, RECORDS, STORAGES, TREND, storage, unit

TRACES = itertools.count()
KEYS = ["u1", "", "a:b", "7:x", "{u}", "*[?]\\", "é😀", "\x00\n"]


def one(technology: Technology, item: str, amount: int = 1, key: str = "all") -> Writes:
    """Something that shows if it is applied twice; where nothing is added up, a row of its own, a trace."""
    if holds(technology, "counters"):
        return Writes(sums={Address(COUNTS, key): {item: amount}})
    return Writes(puts={Address(RECORDS, f"{key}/{item}/{next(TRACES)}"): str(amount).encode()})


def counted(technology: Technology) -> dict[str, dict[str, int]]:
    """What all that was applied comes to."""
    if holds(technology, "counters"):
        rows = dict(technology.dump(storage(COUNTS)))
        return {address.key: row for address, row in rows.items() if isinstance(row, dict)}  # type: ignore[misc]
    found: dict[str, dict[str, int]] = {}
    for address, row in technology.dump(storage(RECORDS)):
        assert isinstance(row, bytes)
        key, item, _ = address.key.split("/")
        found.setdefault(key, {}).setdefault(item, 0)
        found[key][item] += int(row)
    return found


def test_each_claim_has_a_larger_epoch_and_brings_the_committed_position(technology: Technology) -> None:
    first = technology.claim(unit(), "a")
    assert (first.next, first.owner) == (None, "a")
    assert technology.commit(first, None, 7, Writes(), None) is Outcome.OK
    second = technology.claim(unit(), "b")
    assert (second.epoch, second.next) == (first.epoch + 1, 7)


def test_a_position_of_zero_is_not_the_same_as_none(technology: Technology) -> None:
    claim = technology.claim(unit(), "a")
    assert technology.commit(claim, None, 0, Writes(), None) is Outcome.OK
    assert technology.commit(claim, None, 5, Writes(), None) is Outcome.GAP
    assert technology.claim(unit(), "b").next == 0


def test_an_identical_commit_that_is_sent_again_is_already_applied_and_adds_nothing(technology: Technology) -> None:
    claim = technology.claim(unit(), "a")
    assert technology.commit(claim, None, 3, one(technology, "x"), None) is Outcome.OK
    assert technology.commit(claim, None, 3, one(technology, "x"), None) is Outcome.ALREADY
    assert counted(technology) == {"all": {"x": 1}}


@pytest.mark.parametrize("expected", [None, 2, 4])
def test_a_commit_from_another_position_is_a_gap_and_writes_nothing(technology: Technology, expected: int) -> None:
    claim = technology.claim(unit(), "a")
    technology.commit(claim, None, 3, one(technology, "x"), None)
    assert technology.commit(claim, expected, 9, one(technology, "x"), 99) is Outcome.GAP
    assert counted(technology) == {"all": {"x": 1}}
    assert [(state.next, state.watermark_ms) for state in technology.units(storage(COUNTS))] == [(3, None)]


def test_who_was_claimed_away_can_neither_write_nor_read(technology: Technology) -> None:
    zombie = technology.claim(unit(), "a")
    technology.commit(zombie, None, 3, one(technology, "x"), None)
    technology.claim(unit(), "b")
    assert technology.commit(zombie, 3, 4, one(technology, "x"), None) is Outcome.FENCED
    assert technology.commit(zombie, None, 3, one(technology, "x"), None) is Outcome.FENCED
    with pytest.raises(Fenced):
        technology.read(zombie, 3, [Address(RECORDS, "k")])
    assert counted(technology) == {"all": {"x": 1}}


@pytest.mark.parametrize("forged", [{"owner": "b"}, {"epoch": 7}, {"owner": ""}])
def test_epoch_and_token_must_both_be_right(technology: Technology, forged: dict[str, object]) -> None:
    claim = technology.claim(unit(), "a")
    assert technology.commit(replace(claim, **forged), None, 1, one(technology, "x"), None) is Outcome.FENCED  # type: ignore[arg-type]
    assert technology.commit(claim, None, 1, one(technology, "x"), None) is Outcome.OK


def test_a_unit_that_nobody_has_claimed_is_fenced(technology: Technology) -> None:
    nobody = Claim(unit(), 1, "a", None)
    assert technology.commit(nobody, None, 1, one(technology, "x"), None) is Outcome.FENCED
    assert counted(technology) == {}


def test_of_many_who_claim_at_once_exactly_one_may_write(technology: Technology) -> None:
    barrier = Barrier(8)

    def claim_and_commit(number: int) -> tuple[int, Outcome]:
        barrier.wait()
        claim = technology.claim(unit(), f"owner {number}")
        barrier.wait()
        return claim.epoch, technology.commit(claim, None, 1, one(technology, "x"), None)

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(claim_and_commit, range(8)))
    assert sorted(epoch for epoch, _ in found) == list(range(1, 9))
    assert [outcome for epoch, outcome in found if epoch == 8] == [Outcome.OK]
    assert {outcome for epoch, outcome in found if epoch < 8} == {Outcome.FENCED}
    assert counted(technology) == {"all": {"x": 1}}


def test_units_of_one_generation_add_to_the_same_rows_under_their_own_fences(technology: Technology) -> None:
    claims = [technology.claim(unit(partition=partition), f"owner {partition}") for partition in (10, 2, 0)]
    for claim in claims:
        assert technology.commit(claim, None, claim.unit.partition + 1, one(technology, "x"), None) is Outcome.OK
    assert counted(technology) == {"all": {"x": 3}}
    states = technology.units(storage(COUNTS))
    assert [(state.unit, state.next) for state in states] == [(unit(partition=n), n + 1) for n in (0, 2, 10)]


def test_the_same_commit_sent_by_many_threads_is_applied_once(technology: Technology) -> None:
    claim = technology.claim(unit(), "a")
    writes = one(technology, "x")
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(lambda _: technology.commit(claim, None, 1, writes, None), range(8)))
    assert sorted(outcome.name for outcome in outcomes) == ["ALREADY"] * 7 + ["OK"]
    assert counted(technology) == {"all": {"x": 1}}


def test_generations_versions_and_learners_share_nothing(technology: Technology) -> None:
    others = [unit("other"), unit(version=2), unit()]
    for number, other in enumerate(others):
        claim = technology.claim(other, "a")
        assert claim.next is None
        technology.commit(claim, None, 1, one(technology, "x", number + 1), None)
    assert counted(technology) == {"all": {"x": 3}}


def test_rows_that_were_put_are_read_in_the_order_asked_for(technology: Technology) -> None:
    needs(technology, ability="load")
    claim = technology.claim(unit(), "a")
    puts = {Address(RECORDS, "k"): b"\x00\xff", Address(RECORDS, "l"): b"", Address(OTHER, "k"): b"other"}
    technology.commit(claim, None, 1, Writes(puts=puts), None)
    wanted = [Address(OTHER, "k"), Address(RECORDS, "gone"), Address(RECORDS, "l"), Address(RECORDS, "k")]
    assert technology.read(claim, 1, wanted) == [b"other", None, b"", b"\x00\xff"]
    assert technology.read(claim, 1, []) == []


def test_more_rows_than_one_page_are_read(technology: Technology) -> None:
    needs(technology, ability="load")
    claim = technology.claim(unit(), "a")
    puts = {Address(RECORDS, str(number)): str(number).encode() for number in range(5_000)}
    technology.commit(claim, None, 1, Writes(puts=puts), None)
    assert technology.read(claim, 1, list(puts)) == list(puts.values())


@pytest.mark.parametrize("expected", [None, 2, 4])
@pytest.mark.parametrize("rows", [[], [Address(RECORDS, "k")]])
def test_reading_at_another_position_is_a_gap(
    technology: Technology, expected: int | None, rows: list[Address]
) -> None:
    claim = technology.claim(unit(), "a")
    technology.commit(claim, None, 3, Writes(), None)
    with pytest.raises(Gap):
        technology.read(claim, expected, rows)


def test_a_put_replaces_sums_and_scores_add_and_ranks_replace(technology: Technology) -> None:
    needs(technology, "counters", "ranking")
    claim = technology.claim(unit(), "a")
    row, places = Address(TREND, "all", 3), Address(PLACES, "all")
    for position in (1, 2):
        technology.commit(
            claim,
            position - 1 or None,
            position,
            Writes(
                puts={Address(RECORDS, "k"): str(position).encode()},
                sums={Address(COUNTS, "k"): {"a": position, "b": -1}},
                scores={row: {"x": 0.1, "y": -1.5}},
                ranks={places: {"p": float(position), f"q{position}": 1.0}},
            ),
            None,
        )
    assert dict(technology.dump(storage(RECORDS))) == {Address(RECORDS, "k"): b"2"}
    assert dict(technology.dump(storage(COUNTS))) == {Address(COUNTS, "k"): {"a": 3, "b": -2}}
    assert dict(technology.dump(storage(TREND))) == {row: {"x": 0.2, "y": -3.0}}
    assert dict(technology.dump(storage(PLACES))) == {places: {"p": 2.0, "q1": 1.0, "q2": 1.0}}


def test_a_row_may_have_members_that_add_and_members_that_replace(technology: Technology) -> None:
    needs(technology, "ranking")
    claim, row = technology.claim(unit(), "a"), Address(PLACES, "all")
    for position in (1, 2):
        writes = Writes(scores={row: {"adds": 1.0}}, ranks={row: {"replaces": 1.0}})
        technology.commit(claim, position - 1 or None, position, writes, None)
    assert dict(technology.dump(storage(PLACES))) == {row: {"adds": 2.0, "replaces": 1.0}}


def test_a_commit_takes_many_rows_and_a_row_many_members(technology: Technology) -> None:
    claim = technology.claim(unit(), "a")
    writes = Writes(puts={Address(RECORDS, str(number)): b"x" for number in range(9_000)})
    if holds(technology, "counters"):
        writes.sums[Address(COUNTS, "wide")] = {str(number): number for number in range(9_000)}
    if holds(technology, "ranking"):
        writes.scores.update({Address(TREND, str(number), 1): {"x": 1.0} for number in range(9_000)})
        writes.ranks[Address(PLACES, "wide")] = {str(number): float(number) for number in range(9_000)}
    assert technology.commit(claim, None, 1, writes, None) is Outcome.OK
    for name, rows in [(RECORDS, writes.puts), (COUNTS, writes.sums), (TREND, writes.scores), (PLACES, writes.ranks)]:
        assert dict(technology.dump(storage(name))) == rows


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("kind", ["scores", "ranks"])
def test_a_score_that_is_not_finite_is_refused_and_nothing_is_written(
    technology: Technology, kind: str, score: float
) -> None:
    needs(technology, "counters", "ranking")
    writes = one(technology, "x")
    writes.puts[Address(RECORDS, "k")] = b"x"
    getattr(writes, kind)[Address(TREND, "all")] = {"fine": 1.0, "bad": score}
    refused(technology, writes)


@pytest.mark.parametrize("amount", [2**53 + 1, -(2**53) - 1, 2**63, 0.5])
def test_an_amount_that_is_no_exact_integer_is_refused_and_nothing_is_written(
    technology: Technology, amount: int
) -> None:
    needs(technology, "counters")
    refused(technology, one(technology, "x", amount))


def refused(technology: Technology, writes: Writes) -> None:
    claim = technology.claim(unit(), "a")
    with pytest.raises(WriteRefused):
        technology.commit(claim, None, 1, writes, 5)
    assert [row for name in STORAGES for row in technology.dump(storage(name))] == []
    assert [state.next for state in technology.units(storage(COUNTS))] == [None]
    assert technology.commit(claim, None, 1, Writes(), None) is Outcome.OK


@pytest.mark.parametrize(("held", "amount"), [(2**53, 1), (2**53 - 1, 2), (-(2**53), -1), (5, 2**53)])
def test_a_sum_past_what_a_double_counts_exactly_is_refused_and_nothing_is_written(
    technology: Technology, held: int, amount: int
) -> None:
    needs(technology, "counters")
    claim = technology.claim(unit(), "a")
    assert technology.commit(claim, None, 1, one(technology, "x", held), None) is Outcome.OK
    writes = one(technology, "x", amount)
    writes.puts[Address(RECORDS, "k")] = b"x"
    with pytest.raises(WriteRefused, match="x"):
        technology.commit(claim, 1, 2, writes, None)
    assert counted(technology) == {"all": {"x": held}}
    assert technology.read(claim, 1, [Address(RECORDS, "k")]) == [None]


def test_a_sum_of_several_partitions_is_exact_or_refused(sides: Sides) -> None:
    """Cassandra keeps what each has added, and adds it up as it is read: no commit sees the whole."""
    technology = sides.technology
    needs(technology, "counters")
    commits = 0
    for partition in range(3):
        claim = technology.claim(unit(partition=partition), "a")
        try:
            assert technology.commit(claim, None, 1, one(technology, "x", 2**53), None) is Outcome.OK
            commits += 1
        except WriteRefused:
            assert technology.name != "cassandra"
    assert commits == (3 if technology.name == "cassandra" else 1)
    assert counted(technology) == {"all": {"x": commits * 2**53}}
    assert sides.ask(sides.reads.sums(storage(COUNTS), ["all"])) == [{"x": commits * 2**53}]
    assert sides.ask(sides.reads.some_sums(storage(COUNTS), "all", 5)) == {"x": commits * 2**53}


def test_a_unit_gets_to_the_end_of_all_positions_and_no_further(sides: Sides) -> None:
    technology, claim = sides.technology, sides.technology.claim(unit(), "a")
    row = Address(RECORDS, "k")
    assert technology.commit(claim, None, FURTHEST - 1, Writes(puts={row: b"before"}), None) is Outcome.OK
    assert technology.commit(claim, FURTHEST - 1, FURTHEST, Writes(puts={row: b"last"}), None) is Outcome.OK
    for position in (FURTHEST + 1, FURTHEST + 2):
        with pytest.raises(WriteRefused, match="positions end"):
            technology.commit(claim, FURTHEST, position, Writes(puts={row: b"beyond"}), None)
    assert technology.commit(claim, FURTHEST - 1, FURTHEST, Writes(puts={row: b"last"}), None) is Outcome.ALREADY
    assert technology.claim(unit(), "b").next == FURTHEST
    assert sides.ask(sides.reads.rows(storage(RECORDS), ["k"])) == [b"last"]
    assert [state.next for state in sides.ask(sides.reads.units(storage(RECORDS)))] == [FURTHEST]


def test_a_score_that_overflows_is_refused_and_nothing_is_written(technology: Technology) -> None:
    needs(technology, "ranking")
    claim, row = technology.claim(unit(), "a"), Address(TREND, "all")
    technology.commit(claim, None, 1, Writes(scores={row: {"x": 1.5e308}}), None)
    with pytest.raises(WriteRefused):
        technology.commit(claim, 1, 2, Writes(scores={row: {"y": 1.0, "x": 1.5e308}}), None)
    assert dict(technology.dump(storage(TREND))) == {row: {"x": 1.5e308}}


def test_the_watermark_never_falls(technology: Technology) -> None:
    claim = technology.claim(unit(), "a")
    seen = []
    for position, watermark in enumerate([None, 50, 20, None, 70], start=1):
        technology.commit(claim, position - 1 or None, position, Writes(), watermark)
        seen += [state.watermark_ms for state in technology.units(storage(COUNTS))]
    assert seen == [None, 50, 50, 50, 70]


def test_units_say_when_they_last_committed_by_the_storages_clock(technology: Technology) -> None:
    claim = technology.claim(unit(), "a")
    [before] = technology.units(storage(COUNTS))
    assert (before.unit, before.epoch, before.next, before.committed_ms) == (unit(), 1, None, None)
    technology.commit(claim, None, 1, Writes(), None)
    [after] = technology.units(storage(COUNTS))
    assert after.committed_ms is not None
    assert after.committed_ms > 1_700_000_000_000


def test_only_units_of_the_storages_own_topic_and_generation_are_listed(technology: Technology) -> None:
    for other in (unit(topic="other"), unit(version=2), unit("other")):
        technology.claim(other, "a")
    assert technology.units(storage(COUNTS)) == []


def test_the_newest_bucket_and_event_time_never_fall(technology: Technology) -> None:
    needs(technology, "ranking")
    claim = technology.claim(unit(), "a")
    assert technology.newest(storage(TREND)) == Newest()
    for position, (bucket, at_ms) in enumerate([(-2, -5), (-3, -9), (7, 40), (6, 30)], start=1):
        writes = Writes(scores={Address(TREND, "all", bucket): {"x": 1.0}})
        writes.see(TREND, at_ms)
        technology.commit(claim, position - 1 or None, position, writes, None)
        assert technology.newest(storage(TREND)) == (Newest(-2, -5) if position < 3 else Newest(7, 40))
    assert technology.newest(storage(PLACES)) == Newest()


@pytest.mark.parametrize("name", [RECORDS, COUNTS, TREND, PLACES])
def test_a_row_is_found_under_exactly_its_key_and_bucket(technology: Technology, name: str) -> None:
    needs(technology, name.partition("/")[0])
    claim = technology.claim(unit(), "a")
    writes = Writes()
    expected: dict[Address, Any] = {}
    for number, key in enumerate(KEYS):
        for bucket in (None, 7, -7) if name == TREND else (None,):
            address = Address(name, key, bucket)
            if name == RECORDS:
                expected[address] = writes.puts[address] = str(number).encode()
            else:
                rows = writes.sums if name == COUNTS else writes.scores
                rows[address] = {key: number}
                expected[address] = {key: number}
    technology.commit(claim, None, 1, writes, None)
    assert dict(technology.dump(storage(name))) == expected
    if name == RECORDS:
        needs(technology, ability="load")
        assert technology.read(claim, 1, list(expected)) == list(expected.values())


def test_a_storage_whose_name_begins_another_ones_shares_nothing_with_it(technology: Technology) -> None:
    needs(technology, "counters")
    claim = technology.claim(unit(), "a")
    names = ["counters/a", "counters/a_b", "ranking/a"]
    technology.commit(claim, None, 1, Writes(sums={Address(name, "k"): {name: 1} for name in names}), None)
    for name in names:
        assert dict(technology.dump(storage(name))) == {Address(name, "k"): {name: 1}}


def test_who_declares_gets_what_exists(technology: Technology) -> None:
    mine = storage(RECORDS, options={"half_life": 30})
    assert technology.declare(mine) == mine
    later = replace(mine, generation=5, created="2027-01-01T00:00:00+00:00")
    assert technology.declare(later) == mine


def test_two_who_declare_at_once_get_the_same(technology: Technology) -> None:
    barrier = Barrier(8)

    def declare(number: int) -> int:
        barrier.wait()
        return technology.declare(storage(RECORDS, generation=number)).generation

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(declare, range(8)))) == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"options": {"half_life": 60}}, r"half_life.* 30 .* 60"),
        ({"options": {}}, r"half_life.* 30"),
        ({"topic": "views"}, r"topic.*clicks.*views"),
        ({"writer": "other@1"}, r"writer.*watching@1.*other@1"),
        ({"schema": {"type": "record"}}, r"schema.*record"),
    ],
)
def test_another_meaning_under_the_same_version_is_a_conflict_that_names_the_difference(
    technology: Technology, changes: dict[str, object], words: str
) -> None:
    mine = storage(RECORDS, options={"half_life": 30})
    technology.declare(mine)
    with pytest.raises(StorageConflict, match=words) as refused:
        technology.declare(replace(mine, **changes))  # type: ignore[arg-type]
    assert mine.title in str(refused.value)
    assert technology.declare(mine) == mine


def test_a_name_points_to_its_first_version_until_it_is_told_to_move_and_never_back(sides: Sides) -> None:
    seen: list[int] = []
    for version in (2, 10, 9, 2, 11):
        item = sides.technology.declare(storage(RECORDS, version=version))
        assert pointed(sides) == {("records", "seen"): max([2, *seen])}
        sides.technology.point([item])
        seen += pointed(sides).values()
    assert seen == [2, 10, 10, 10, 11]


def test_the_names_of_all_storages_of_a_learner_move_at_one_moment(sides: Sides) -> None:
    for version in (1, 2):
        items = [sides.technology.declare(storage(name, version=version)) for name in (RECORDS, OTHER)]
    assert set(pointed(sides).values()) == {1}
    sides.technology.point(items)
    assert pointed(sides) == {("records", "seen"): 2, ("records", "other"): 2}
