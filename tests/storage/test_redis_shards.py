"""Which shard a row is in, and what a shard has missed. No server."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.errors import FormatRefused, SuspectGeneration
from storage.redis.shards import KEPT_BYTES, KEPT_COMMITS, Redo, Step, Track, kept_commits, missed, reached, shard_of
from storage.redis.slots import seeds, wanted_shards

POSITION = st.none() | st.integers(0, 2**53)
TEXT = st.text() | st.binary() | st.floats(allow_nan=False)


@pytest.mark.parametrize(("key", "shard"), [("", 0), ("all", 5), ("u1", 6), ("é", 6), ("😀", 4)])
def test_a_row_is_in_the_shard_that_the_docs_say(key: str, shard: int) -> None:
    assert shard_of(key, 8) == shard


@given(st.dictionaries(st.integers(1, 99), st.tuples(POSITION, st.lists(TEXT))), st.integers(0, 2**53))
def test_what_others_are_to_write_is_kept_as_it_is(
    shares: dict[int, tuple[int | None, list[object]]], new: int
) -> None:
    assert Redo.of_bytes(Redo(new, shares).to_bytes()) == Redo(new, shares)


def chain(*steps: tuple[int | None, int]) -> list[Redo]:
    """Commits that shard 1 takes part in; shard 2 takes part in all."""
    return [Redo(new, {1: (start, [new]), 2: (start, [])}) for start, new in steps]


KEPT = [*chain((None, 3)), Redo(5, {2: (3, [])}), *chain((3, 8), (8, 9))]


@pytest.mark.parametrize(
    ("found", "wanted", "steps"),
    [
        (9, 9, []),
        (8, 9, [(8, 9)]),
        (None, 9, [(None, 3), (3, 8), (8, 9)]),
        (3, 8, [(3, 8)]),
        (2, 9, None),
        (10, 9, None),
        (None, None, []),
        (4, None, None),
    ],
)
def test_a_shard_takes_what_it_has_missed_in_order_or_is_known_to_have_lost_more(
    found: int | None, wanted: int | None, steps: list[tuple[int | None, int]] | None
) -> None:
    expected = None if steps is None else [Step(1, start, new, [new]) for start, new in steps]
    assert missed(KEPT, 1, found, wanted) == expected


def test_after_a_commit_only_the_shards_with_rows_have_moved() -> None:
    track = Track("a", 4, (1, 1, 1, 1), (None, 4, 2, 9))
    assert [track.ahead(shard) for shard in (1, 2, 3)] == [False, False, True]
    assert track.moved(7, [2], near=True) == Track("a", 7, (1, 1, 1, 1), (None, 4, 7, 9), near=True)
    assert track.positions_text() == "[null,4,2,9]"


@pytest.mark.parametrize(
    ("positions", "nexts", "counts"),
    [
        (None, [None, None], True),
        (b"[9,9,null]", [b"9", None], True),
        (b"[9,9,null]", [b"12", b"7"], True),
        (b"[9,9,4]", [b"9", b"3"], False),
        (b"[9,9,0]", [b"9", None], False),
        (b"[9,9,4]", [b"5", b"4"], False),
    ],
)
def test_a_position_counts_when_every_shard_has_taken_what_leads_to_it(
    positions: bytes | None, nexts: list[bytes | None], counts: bool
) -> None:
    unit = [b"2", b"9", b"70", b"1000", positions, b"5", b""]
    assert reached(unit, nexts) == ([b"2", b"9", b"70", b"1000"] if counts else [b"2", b"5", None, b"1000"])


def test_a_shard_whose_position_is_no_number_is_suspect() -> None:
    with pytest.raises(SuspectGeneration, match="where a number should be"):
        reached([b"2", b"9", b"70", b"1000", b"[9,9,4]", b"5", b""], [b"9", b"soon"])


@given(st.integers(0, 1 << 30))
def test_what_is_kept_for_forgetful_shards_is_bounded(size: int) -> None:
    kept = kept_commits(size)
    assert 1 <= kept <= KEPT_COMMITS
    assert kept == 1 or kept * size <= KEPT_BYTES


def test_the_address_may_say_how_many_shards_there_are() -> None:
    url = "rediss+cluster://u:p@a:1,b:2/0?ssl_ca_certs=x&shards=32"
    assert wanted_shards(url, 8, 99) == 32
    assert wanted_shards("redis+cluster://a:1", 8, 99) == 8
    assert seeds(url) == ["rediss://u:p@a:1/0?ssl_ca_certs=x", "rediss://u:p@b:2/0?ssl_ca_certs=x"]


@pytest.mark.parametrize("said", ["", "0", "-1", "100", "8.0", "²"])
def test_another_number_of_shards_is_refused(said: str) -> None:
    with pytest.raises(FormatRefused, match="from 1 to 99"):
        wanted_shards(f"redis+cluster://a:1?shards={said}", 8, 99)
