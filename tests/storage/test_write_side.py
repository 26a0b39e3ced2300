"""What learners write is what is committed: nothing overflows, nothing is cut, nothing changes behind their back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from schemas import Record
from storage import Address, Counters, FormatRefused, PutRefused, Ranking, Records, Session, WriteRefused
from storage.writes import Writes

AT = datetime(2026, 1, 1, tzinfo=UTC)


class Row(Record):
    user: str
    items: list[str]


def session(*keys: str) -> Session:
    """A session of a unit whose rows are all still empty, while events of these users are folded."""
    found = Session(lambda addresses: [None] * len(addresses))
    found.key_field = "user"
    found.begin(lambda: set(keys))
    return found


def test_amounts_past_64_bits_are_refused_or_exact_but_never_wrapped() -> None:
    one = session()
    frame = pl.DataFrame({"k": ["a"] * 2048, "n": [2**53] * 2048})
    try:
        Counters("c").bind(one).add(frame, key="k", amount="n")
    except WriteRefused:
        return
    assert one.writes.sums == {Address("counters/c", "a"): {"count": 2**64}}


def test_counts_of_frames_and_what_is_added_else_are_the_same_rows() -> None:
    one = session()
    counters = Counters("c").bind(one)
    counters.add(pl.DataFrame({"k": ["a", "b", "a"]}), key="k")
    assert one.writes.counts == {"counters/c": {"a": 2, "b": 1}}
    assert (one.writes.rows, one.writes.items) == (2, 2)
    counters.add_one("a", "x", 5)
    counters.add(pl.DataFrame({"k": ["a", "c"], "n": [7, -1]}), key="k", amount="n")
    assert (one.writes.rows, one.writes.items) == (7, 4)
    assert not one.writes.counts
    rows = {"a": {"count": 9, "x": 5}, "b": {"count": 1}, "c": {"count": -1}}
    assert one.writes == Writes(sums={Address("counters/c", key): row for key, row in rows.items()})


def test_the_size_by_which_a_commit_is_cut_has_its_keys_in_it() -> None:
    keys = [f"{number:0900}" for number in range(1_000)]
    counted, rows = Writes(), [Address("counters/c", key) for key in keys]
    counted.count("counters/c", keys)
    summed, put = Writes(sums={row: {"count": 1} for row in rows}), Writes(puts=dict.fromkeys(rows, b""))
    for writes in (counted, summed, put):
        assert 900_000 < writes.size < 1_300_000


def test_a_count_past_what_is_exact_is_refused_before_it_is_sent() -> None:
    for amount in (2**53, -(2**53)):
        one = session()
        for _ in range(2):
            Counters("c").bind(one).add(pl.DataFrame({"k": ["a"], "n": [amount]}), key="k", amount="n")
        with pytest.raises(WriteRefused, match="within 2\\^53"):
            one.writes.check()


def test_a_member_is_added_to_or_put_but_never_both() -> None:
    ranking = Ranking("r").bind(session("a"))
    ranking.put_one("a", "m", 5.0)
    with pytest.raises(WriteRefused, match="both added to and put"):
        ranking.add_one("a", "m")


@pytest.mark.parametrize("key", [None, 7, b"a"])
def test_a_key_that_is_no_text_is_refused(key: Any) -> None:
    with pytest.raises(WriteRefused):
        Counters("c").bind(session()).add_one(key, "f")
    with pytest.raises(WriteRefused):
        Ranking("r").bind(session()).add_one(key, "m")


def test_a_row_that_was_read_and_changed_in_place_reads_as_it_was_put() -> None:
    records = Records("rows", Row).bind(session("a"))
    records.put_one("a", Row("a", ["x"]))
    read = records.get("a")
    assert read is not None
    read.items.append("changed")
    assert records.get("a") == Row("a", ["x"])


def test_a_half_life_that_would_be_rounded_is_refused() -> None:
    with pytest.raises(FormatRefused, match="whole milliseconds"):
        Ranking("r", half_life=timedelta(microseconds=1400))


def test_rows_of_other_units_are_neither_put_nor_read() -> None:
    records = Records("rows", Row).bind(session("mine"))
    with pytest.raises(PutRefused, match="'theirs'"):
        records.put_one("theirs", Row("theirs", []))
    with pytest.raises(PutRefused, match="'theirs'"):
        records.get("theirs")
    with pytest.raises(PutRefused, match="split by 'user'"):
        records.put(pl.DataFrame({"item": ["i"], "user": ["mine"], "items": [[]]}), key="item")


def test_microseconds_count_in_a_short_half_life() -> None:
    ranking, one = Ranking("r", half_life=timedelta(milliseconds=5)), session()
    bound = ranking.bind(one)
    bound.add_one("k", "early", at=AT)
    bound.add_one("k", "late", at=AT + timedelta(microseconds=900))
    (row,) = one.writes.scores.values()
    assert row["late"] / row["early"] == pytest.approx(2 ** (0.9 / 5), rel=1e-9)


def test_few_rows_and_many_give_the_same_sums() -> None:
    frame = pl.DataFrame(
        {"k": ["a", "b"] * 100, "m": ["x", "y", "z", "x"] * 50, "at": [AT + timedelta(hours=n) for n in range(200)]}
    )
    whole, parts = session(), session()
    Ranking("r", half_life=timedelta(hours=7)).bind(whole).add(frame, key="k", member="m", at="at")
    pieces = Ranking("r", half_life=timedelta(hours=7)).bind(parts)
    for start in range(0, 200, 9):
        pieces.add(frame[start : start + 9], key="k", member="m", at="at")
    assert whole.writes.scores.keys() == parts.writes.scores.keys()
    for address, row in whole.writes.scores.items():
        assert parts.writes.scores[address] == pytest.approx(row, rel=1e-9)
    assert whole.writes.newest == parts.writes.newest


def test_a_row_that_is_known_stays_known_while_another_is_loaded_beside_it() -> None:
    keys = [f"k{number}" for number in range(10_001)]
    records = Records("rows", Row).bind(session(*keys))
    for key in keys[:-1]:
        records.put_one(key, Row(key, []))
    assert records.load([keys[0], keys[-1]])["user"].to_list() == [keys[0]]


def test_a_row_read_in_an_earlier_fold_is_refused_when_its_key_is_not_folded_now() -> None:
    one = session("a")
    records = Records("rows", Row).bind(one)
    records.put_one("a", Row("a", []))
    one.begin(lambda: {"b"})
    with pytest.raises(PutRefused):
        records.get("a")
    with pytest.raises(PutRefused):
        records.load(["a"])


class Nested(Record):
    user: str
    rows: list[Row]
    optional: list[Row | None]
    marks: dict[str, list[int]]


@pytest.mark.parametrize("by", ["what was read", "what was put"])
def test_nothing_inside_a_row_is_shared_with_the_learner(by: str) -> None:
    records = Records("rows", Nested).bind(session("a"))
    put = Nested("a", [Row("b", ["x"])], [None, Row("c", ["y"])], {"m": [1]})
    wanted = Nested("a", [Row("b", ["x"])], [None, Row("c", ["y"])], {"m": [1]})
    records.put_one("a", put)
    theirs = put if by == "what was put" else records.get("a")
    assert theirs is not None
    theirs.rows[0].items.append("changed")
    theirs.optional[1].items.append("changed")  # type: ignore[union-attr]
    theirs.marks["m"].append(2)
    theirs.rows.clear()
    assert records.get("a") == wanted
