"""What the models service may rely on, whatever the technology."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from operator import attrgetter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.address import Address
from storage.redis.cluster import RedisCluster
from storage.technology import Newest
from storage.unit import Outcome
from storage.writes import Writes
from tests.contracts.conftest import Sides, holds, needs, pointed
from tests.contracts.model import COUNTS, OTHER, PLACES, RECORDS, TREND, best, storage, unit

AWKWARD = ["", "a", "B", "a b", "a:b", "{a}", "10", "9", "é", "z", "\uffff", "😀", "\x00"]
"""Members whose order differs by alphabet, by UTF-16 and by code point, and numbers, which Redis keeps as such."""


def write(sides: Sides, writes: Writes, learner: str = "watching") -> None:
    claim = sides.technology.claim(unit(learner), "a")
    position = 1 if claim.next is None else claim.next + 1
    assert sides.technology.commit(claim, claim.next, position, writes, 77) is Outcome.OK


def ranked(sides: Sides, scores: Mapping[str, float], size: int) -> list[tuple[str, float]]:
    """The top of a row with these scores."""
    needs(sides.technology, "ranking")
    learner = sides.learner()
    row = Address(PLACES, "all")
    write(sides, Writes(ranks={row: dict(scores)} if scores else {}), learner)
    newest, [found] = sides.ask(sides.reads.top(storage(PLACES, learner), [row], size))
    assert newest == Newest()
    return found


def test_the_catalogue_lists_every_version_by_name_and_version(sides: Sides) -> None:
    declared = [storage(RECORDS, version=version) for version in (10, 9)]
    declared.append(storage(OTHER, schema={"type": "int"}, options={"a": [1, None]}))
    for item in declared:
        sides.technology.declare(item)
    assert sides.ask(sides.reads.listed()).sorted() == sorted(declared, key=attrgetter("storage", "version"))
    assert pointed(sides) == {("records", "seen"): 10, ("records", "other"): 1}


def test_an_empty_storage_has_no_catalogue(sides: Sides) -> None:
    assert sides.ask(sides.reads.listed()).sorted() == []
    assert sides.ask(sides.reads.listed()).aliases == {}


@pytest.mark.parametrize("fields", [3, 3_000])
def test_of_a_row_of_sums_no_more_is_browsed_than_is_asked_for(sides: Sides, fields: int) -> None:
    needs(sides.technology, "counters")
    row = {f"f{number}": number for number in range(fields)}
    write(sides, Writes(sums={Address(COUNTS, "wide"): row, Address(COUNTS, "other"): {"x": 1}}))
    for size in (1, 20, 5_000):
        found = sides.ask(sides.reads.some_sums(storage(COUNTS, "watching"), "wide", size))
        assert len(found) == min(size, fields)
        assert found.items() <= row.items()
    assert sides.ask(sides.reads.some_sums(storage(COUNTS, "watching"), "nobody", 20)) == {}


def test_units_are_what_the_writing_side_says(sides: Sides) -> None:
    for partition in (2, 10, 1):
        claim = sides.technology.claim(unit(partition=partition), "a")
        if partition != 2:
            sides.technology.commit(claim, None, 5, Writes(), 60)
    found = sides.ask(sides.reads.units(storage(COUNTS)))
    assert found == sides.technology.units(storage(COUNTS))
    assert [(state.unit.partition, state.next, state.watermark_ms) for state in found] == [
        (1, 5, 60),
        (2, None, None),
        (10, 5, 60),
    ]


def test_what_was_never_written_reads_as_nothing(sides: Sides) -> None:
    reads, row = sides.reads, Address(TREND, "k", 3)
    assert sides.ask(reads.units(storage(COUNTS))) == []
    assert sides.ask(reads.rows(storage(RECORDS), ["k", "l"])) == [None, None]
    assert sides.ask(reads.sums(storage(COUNTS), ["k", "l"])) == [{}, {}]
    assert sides.ask(reads.top(storage(TREND), [row, row], 5)) == (Newest(), [[], []])
    assert sides.ask(reads.scores(storage(TREND), [(row, ["a", "b"])])) == (Newest(), [[None, None]])


def test_nothing_asked_is_nothing_answered(sides: Sides) -> None:
    reads, row = sides.reads, Address(PLACES, "k")
    assert sides.ask(reads.rows(storage(RECORDS), [])) == []
    assert sides.ask(reads.sums(storage(COUNTS), [])) == []
    assert sides.ask(reads.top(storage(PLACES), [], 5)) == (Newest(), [])
    assert sides.ask(reads.scores(storage(PLACES), [])) == (Newest(), [])
    assert sides.ask(reads.scores(storage(PLACES), [(row, []), (row, ["a"])])) == (Newest(), [[], [None]])


def test_rows_and_sums_come_in_the_order_asked_for(sides: Sides) -> None:
    rows = {Address(RECORDS, key): f"{key}\xff".encode("latin-1") for key in "abc"}
    sums = {Address(COUNTS, key): {"é": number, "f": -(2**53)} for number, key in enumerate("abc")}
    write(sides, Writes(puts=rows))
    assert sides.ask(sides.reads.rows(storage(RECORDS), ["c", "?", "a", "c"])) == [b"c\xff", None, b"a\xff", b"c\xff"]
    needs(sides.technology, "counters")
    write(sides, Writes(sums=sums))
    assert sides.ask(sides.reads.sums(storage(COUNTS), ["c", "?", "a"])) == [
        {"é": 2, "f": -(2**53)},
        {},
        {"é": 0, "f": -(2**53)},
    ]


def test_what_is_empty_is_not_what_is_missing(sides: Sides) -> None:
    write(sides, Writes(puts={Address(RECORDS, ""): b""}))
    assert sides.ask(sides.reads.rows(storage(RECORDS), ["", "a"])) == [b"", None]


@pytest.mark.parametrize("score", [1.0, -1.0, 0.0])
def test_ties_are_broken_by_member_in_the_order_of_code_points(sides: Sides, score: float) -> None:
    found = ranked(sides, dict.fromkeys(AWKWARD, score), 100)
    assert [member for member, _ in found] == sorted(AWKWARD)


@pytest.mark.parametrize(("size", "members"), [(0, ""), (1, "a"), (2, "ab"), (3, "abc"), (99, "abc")])
def test_the_top_has_at_most_the_size_asked_for(sides: Sides, size: int, members: str) -> None:
    found = ranked(sides, {"b": 2.0, "c": -1.0, "a": 3.0}, size)
    assert [member for member, _ in found] == list(members)


def test_a_score_of_zero_is_never_a_negative_zero(sides: Sides) -> None:
    needs(sides.technology, "ranking")
    row = Address(PLACES, "all")
    write(sides, Writes(scores={row: {"a": 1.0, "b": 0.0}}, ranks={row: {"c": 0.0}}))
    write(sides, Writes(scores={row: {"a": -1.0, "b": 0.0}}))
    _, [top] = sides.ask(sides.reads.top(storage(PLACES), [row], 9))
    _, [scores] = sides.ask(sides.reads.scores(storage(PLACES), [(row, ["a", "b", "c"])]))
    assert [str(score) for _, score in top] == ["0.0"] * 3
    assert [str(score) for score in scores] == ["0.0"] * 3


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    scores=st.dictionaries(
        st.sampled_from(AWKWARD) | st.text(max_size=3),
        st.sampled_from([0.0, 0.1, -0.1, 1e300, 5e-324]) | st.floats(allow_nan=False, allow_infinity=False),
        max_size=12,
    ),
    size=st.integers(0, 13),
)
def test_the_top_is_the_sorted_row_bit_for_bit(sides: Sides, scores: dict[str, float], size: int) -> None:
    if not sides.tired({"cassandra": 25}):
        assert ranked(sides, scores, size) == best(scores, size)


def test_scores_are_those_of_the_members_asked_for(sides: Sides) -> None:
    needs(sides.technology, "ranking")
    rows = {Address(PLACES, key): {"x": number + 0.1, "y": -3.0} for number, key in enumerate("ab")}
    write(sides, Writes(ranks=rows))
    wanted = [(Address(PLACES, "b"), ["y", "?", "x"]), (Address(PLACES, "?"), ["x"]), (Address(PLACES, "a"), ["x"])]
    assert sides.ask(sides.reads.scores(storage(PLACES), wanted)) == (Newest(), [[-3.0, None, 1.1], [None], [0.1]])


def test_rows_of_buckets_come_with_the_newest_of_their_storage(sides: Sides) -> None:
    needs(sides.technology, "ranking")
    writes = Writes(scores={Address(TREND, "all", bucket): {"x": bucket + 0.5} for bucket in (4, 5)})
    writes.see(TREND, 1_234)
    write(sides, writes)
    rows = [Address(TREND, "all", bucket) for bucket in (5, 4, 3)]
    found = sides.ask(sides.reads.top(storage(TREND), rows, 1))
    assert found == (Newest(5, 1_234), [[("x", 5.5)], [("x", 4.5)], []])
    assert found[0] == sides.technology.newest(storage(TREND))
    scores = sides.ask(sides.reads.scores(storage(TREND), [(row, ["x"]) for row in rows]))
    assert scores == (Newest(5, 1_234), [[5.5], [4.5], [None]])


def test_what_one_generation_wrote_is_not_read_from_another(sides: Sides) -> None:
    write(sides, Writes(puts={Address(RECORDS, "k"): b"x"}))
    if holds(sides.technology, "counters"):
        write(sides, Writes(sums={Address(COUNTS, "k"): {"x": 1}}))
    later = replace(storage(RECORDS), generation=2)
    assert sides.ask(sides.reads.rows(later, ["k"])) == [None]
    assert sides.ask(sides.reads.sums(storage(COUNTS, version=2), ["k"])) == [{}]


def test_the_count_is_about_how_many_rows_fields_and_members_there_are(sides: Sides) -> None:
    writes, counts = Writes(puts={Address(RECORDS, key): b"x" for key in "abc"}), {RECORDS: 3, TREND: 0}
    if holds(sides.technology, "counters"):
        writes.sums.update({Address(COUNTS, key): {"x": 1, "y": 1} for key in "ab"})
        counts[COUNTS] = 4
    if holds(sides.technology, "ranking"):
        writes.ranks[Address(PLACES, "all")] = {"x": 1.0, "y": 1.0}
        counts[PLACES] = 2
    for _ in range(2):
        write(sides, writes)
    sides.searchable()
    for name, count in counts.items():
        assert sides.ask(sides.reads.count(storage(name))) in (count, None)


ONE_MOMENT = {"memory": (RECORDS, COUNTS), "relational": (RECORDS, COUNTS), "redis": (RECORDS,)}
"""Of which storages one call reads what one commit has left, by technology."""


def test_what_one_call_reads_is_of_one_commit_where_the_docs_say_so(sides: Sides) -> None:
    technology, reads = sides.technology, getattr(sides.reads, "fresh", sides.reads)
    names = ONE_MOMENT.get(technology.name, ())
    if not names or isinstance(technology, RedisCluster):
        pytest.skip("its rows may be a commit apart")
    claim, keys, commits = technology.claim(unit(), "a"), [f"k{number}" for number in range(40)], 60

    def commit(position: int) -> None:
        puts = {Address(RECORDS, key): str(position).encode() for key in keys}
        sums = {Address(COUNTS, key): {"x": 1} for key in keys}
        technology.commit(claim, position - 1 or None, position, Writes(puts=puts, sums=sums), None)

    async def seen() -> None:
        for descriptor in map(storage, names):
            found = await (reads.sums if descriptor.format == "counters" else reads.rows)(descriptor, keys)
            assert found == [found[0]] * len(keys)

    async def look_while(done: Future[None]) -> None:
        while not done.done():
            await seen()

    def commit_all() -> None:
        for position in range(2, commits + 1):
            commit(position)

    commit(1)
    with ThreadPoolExecutor(1) as writer:
        done = writer.submit(commit_all)
        sides.ask(look_while(done))
    done.result()
    sides.ask(seen())
    assert sides.ask(reads.rows(storage(RECORDS), keys)) == [str(commits).encode()] * len(keys)
