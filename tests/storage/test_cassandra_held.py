"""What a claim remembers of its unit's sums, so that a commit has nothing to read."""

from __future__ import annotations

import pytest

from storage import Address, Claim, UnitId, Writes
from storage.cassandra.cells import checked, count_cells, counts_after, sum_cells, sums_after
from storage.cassandra.held import MOST, Held
from storage.errors import WriteRefused
from storage.writes import COUNT, EXACT

PLAYS, OTHERS = "counters/plays", "counters/others"


def counted(*keys: str) -> Writes:
    writes = Writes()
    writes.count(PLAYS, keys)
    return writes


def held_after(*commits: Writes) -> Held:
    held = Held(Claim(UnitId("l", 1, 1, "t", 0), 1, "o", None))
    for writes in commits:
        held.learn(held.missing(writes), {})
        counts, sums = counts_after(writes.counts, held.counts), sums_after(writes, held.known)
        held.keep(counts, sums)
    return held


def test_counts_are_read_once_and_become_what_other_sums_become() -> None:
    held = held_after(counted("a", "b", "a"))
    assert held.missing(counted("a", "c")) == [(Address(PLAYS, "c"), COUNT)]
    held = held_after(counted("a", "b", "a"), counted("b"))
    assert held.counts == {PLAYS: {"a": 2, "b": 2}}
    cells = count_cells(held.counts)
    assert cells == checked(sum_cells({Address(PLAYS, key): {COUNT: 2} for key in "ba"}))


def test_counts_are_known_still_when_other_sums_have_come() -> None:
    mixed = Writes(sums={Address(OTHERS, "x"): {"y": 5}})
    held = held_after(counted("a", "a"), mixed, counted("a", "b"))
    assert held.known == {
        Address(PLAYS, "a"): {COUNT: 3},
        Address(PLAYS, "b"): {COUNT: 1},
        Address(OTHERS, "x"): {"y": 5},
    }
    assert not held.missing(counted("a", "b"))


def test_a_count_past_what_is_exact_is_refused_by_name() -> None:
    with pytest.raises(WriteRefused, match="'a' cannot hold 'count'"):
        counts_after({PLAYS: {"b": 1, "a": 1}}, {PLAYS: {"a": EXACT, "b": 0}})


def test_it_forgets_when_it_knows_too_many_rows_and_not_when_some_were_written_often() -> None:
    few = [f"k{n}" for n in range(MOST // 4)]
    held = held_after(*(counted(*few) for _ in range(5)))
    assert not held.missing(counted(*few))
    held = held_after(*(counted(*(f"{n}{key}" for key in few)) for n in range(5)))
    assert len(held.missing(counted(*few))) == len(few)
    held = held_after(*(Writes(sums={Address(OTHERS, key): {"x": 1} for key in few}) for _ in range(5)))
    assert not held.missing(Writes(sums={Address(OTHERS, few[0]): {"x": 1}}))
