"""What formats take, what they refuse and by which name, and that batches' ends make no difference."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from itertools import pairwise
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage import (
    Address,
    Counters,
    CountersReader,
    Format,
    FormatRefused,
    PutRefused,
    Ranking,
    RankingReader,
    Records,
    RecordsReader,
    StorageError,
    WriteRefused,
    to_frame,
)
from tests.storage.form_stage import START, FormStage, Row, ask

pairs = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"), st.integers(-5, 5)), max_size=200)


def frame(rows: list[tuple[str, str, int]]) -> pl.DataFrame:
    return pl.DataFrame(rows, {"key": pl.String, "item": pl.String, "n": pl.Int64}, orient="row")


def parts(rows: list[tuple[str, str, int]], cuts: list[int]) -> list[list[tuple[str, str, int]]]:
    return [rows[a:b] for a, b in pairwise([0, *sorted(cut % (len(rows) + 1) for cut in cuts), len(rows)])]


@given(pairs, st.lists(st.integers(0, 200), max_size=4))
def test_sums_are_exact_wherever_batches_end(rows: list[tuple[str, str, int]], cuts: list[int]) -> None:
    stage = FormStage()
    counters, ranking = Counters("c"), Ranking("r")
    sums, scores = counters.bind(stage.session), ranking.bind(stage.session)
    for part in parts(rows, cuts):
        sums.add(frame(part), key="key", field="item", amount="n")
        scores.add(frame(part), key="key", member="item", weight="n")
        stage.commit()
    expected: Counter[tuple[str, str]] = Counter()
    for key, item, number in rows:
        expected[key, item] += number
    for form, kind in ((counters, int), (ranking, float)):
        found = to_frame(form, stage.technology, stage.describe(form)).rows()
        assert {(key, item): value for key, item, value in found} == dict(expected)
        assert all(type(value) is kind for _, _, value in found)


def test_without_an_amount_each_row_counts_one() -> None:
    stage = FormStage()
    form = Counters("c")
    form.bind(stage.session).add(frame([("a", "x", 9)] * 3), key="key", field="item")
    form.bind(stage.session).add(frame([("a", "x", 9)] * 1_100), key="key")  # by polars, and not by a loop
    form.bind(stage.session).add_one("a", "x", 2)
    stage.commit()
    reader = stage.reader(CountersReader, form)
    assert ask(reader.get_many(["a", "nobody"])) == [{"x": 5, "count": 1_100}, {}]


def test_a_large_frame_adds_what_its_rows_would_one_by_one() -> None:
    rows = [(f"k{number % 700}", f"i{number % 3}", number % 7 - 3) for number in range(3_000)]
    whole, single = FormStage(), FormStage()
    Counters("c").bind(whole.session).add(frame(rows), key="key", field="item", amount="n")
    for key, item, number in rows:
        Counters("c").bind(single.session).add_one(key, item, number)
    assert whole.session.writes.sums == single.session.writes.sums


def test_writes_know_about_how_many_bytes_they_are() -> None:
    stage = FormStage()
    sums = Counters("c").bind(stage.session)
    for number in range(1_000):
        sums.add_one(f"k{number}", f"{number:01000}")
    assert stage.session.writes.size == pytest.approx(1_200_000, rel=0.15)


def test_the_storage_says_what_its_rows_mean() -> None:
    found = Ranking("r", half_life=timedelta(days=1), size=5).describe("watching", 3, 7, "clicks")
    assert (found.title, found.writer, found.generation, found.topic) == (
        "redis/ranking/r@3",
        "watching@3",
        7,
        "clicks",
    )
    assert found.options == {"half_life_ms": 86_400_000, "size": 5}
    assert Records("rows", Row).describe("watching", 1, 1, "clicks").schema == Row.avro_schema()


def test_the_size_limits_what_is_read_and_not_what_is_kept() -> None:
    stage, form = FormStage(), Ranking("r", size=2)
    form.bind(stage.session).add(frame([("a", item, 1) for item in "zyx"]), key="key", member="item")
    stage.commit()
    reader = stage.reader(RankingReader, form)
    assert ask(reader.top("a", 9)) == [("x", 1.0), ("y", 1.0)]
    assert ask(reader.score("a", "z")) == 1.0
    assert ask(reader.top("a", 0)) == []


@pytest.mark.parametrize("count", [1, 500])
@pytest.mark.parametrize(
    ("column", "values"),
    [("key", [None]), ("item", [None]), ("at", [None]), ("weight", [None]), ("weight", [float("nan")])],
)
def test_a_null_or_nan_is_refused_by_its_columns_name(column: str, values: list[Any], count: int) -> None:
    columns: dict[str, Any] = {"key": "k", "item": "i", "weight": 1.0, "at": START}
    good = pl.DataFrame({name: [value] * count for name, value in columns.items()})
    rows = good.with_columns(pl.Series(column, values * count, dtype=good[column].dtype))
    ranking = Ranking("r", half_life=timedelta(days=1)).bind(FormStage().session)
    with pytest.raises(WriteRefused, match=f"'{column}'"):
        ranking.add(rows, key="key", member="item", weight="weight", at="at")
    if column in ("key", "item"):
        with pytest.raises(WriteRefused, match=f"'{column}'"):
            Counters("c").bind(FormStage().session).add(rows, key="key", field="item")


def test_amounts_that_are_no_integers_are_refused() -> None:
    counters = Counters("c").bind(FormStage().session)
    with pytest.raises(WriteRefused, match="'n'"):
        counters.add(frame([("a", "x", 1)]).with_columns(pl.col("n") + 0.5), key="key", field="item", amount="n")
    with pytest.raises(WriteRefused, match=r"1\.5"):
        counters.add_one("a", "x", 1.5)  # type: ignore[arg-type]


def test_a_missing_column_is_named() -> None:
    with pytest.raises(WriteRefused, match="'nothing'"):
        Counters("c").bind(FormStage().session).add(frame([("a", "x", 1)]), key="nothing")


def test_scores_that_decay_need_their_time() -> None:
    ranking = Ranking("r", half_life=timedelta(days=1)).bind(FormStage().session)
    with pytest.raises(StorageError, match="`at`"):
        ranking.add(frame([("a", "x", 1)]), key="key", member="item")
    with pytest.raises(StorageError, match="`at`"):
        ranking.add_one("a", "x")


@pytest.mark.parametrize(
    "declare", [lambda: Ranking("r", half_life=timedelta(0)), lambda: Ranking("r", size=0), lambda: Counters("a/b")]
)
def test_a_declaration_that_cannot_be_is_refused(declare: Any) -> None:
    with pytest.raises(FormatRefused):
        declare()


def test_a_declaration_itself_cannot_be_written() -> None:
    form: Format = Counters("c")
    with pytest.raises(FormatRefused, match="counters/c"):
        Counters("c").add_one("a", "x")
    with pytest.raises(FormatRefused):
        _ = form.session


def test_scores_that_are_put_replace_what_was_there() -> None:
    stage, form = FormStage(), Ranking("r")
    ranking = form.bind(stage.session)
    stage.fold(["a"])
    for rows in ([("a", "x", 1), ("a", "x", 2), ("a", "y", 7)], [("a", "y", 1)]):
        ranking.put(frame(rows).rename({"key": "user"}), key="user", member="item", score="n")
        stage.commit()
    assert ask(stage.reader(RankingReader, form).top("a", 9)) == [("x", 2.0), ("y", 1.0)]


def test_a_put_under_another_key_than_the_topics_is_refused() -> None:
    stage = FormStage()
    stage.fold(["a"])
    with pytest.raises(PutRefused, match="'key'"):
        Ranking("r").bind(stage.session).put(frame([("a", "x", 1)]), key="key", member="item", score="n")
    with pytest.raises(PutRefused, match="'item'"):
        Records("rows", Row).bind(stage.session).put(pl.DataFrame({"user": ["a"], "item": ["x"]}), key="item")


def test_of_several_rows_for_a_key_the_last_is_put_and_other_columns_are_left_out() -> None:
    stage, form = FormStage(), Records("rows", Row)
    rows = pl.DataFrame(
        {"user": ["a", "b", "a"], "items": [["x"], [], ["y", "z"]], "seen": [1, 2, 3], "other": [0] * 3}
    )
    stage.fold(["a", "b"])
    form.bind(stage.session).put(rows, key="user")
    stage.commit()
    found = ask(stage.reader(RecordsReader, form, Row).get_many(["a", "b", "c"]))
    assert found == [Row("a", ["y", "z"], 3), Row("b", [], 2), None]
    shown = to_frame(form, stage.technology, stage.describe(form))
    assert shown.to_dicts() == [
        {"user": "a", "items": ["y", "z"], "seen": 3},
        {"user": "b", "items": [], "seen": 2},
    ]


def test_loaded_rows_are_a_frame_of_the_records_columns_in_the_order_asked_for() -> None:
    stage = FormStage()
    rows = Records("rows", Row).bind(stage.session)
    stage.fold(["a", "b", "c"])
    rows.put_one("a", Row("a", ["x"]))
    rows.put_one("c", Row("c", []))
    assert rows.load(pl.Series(["c", "b", "a"])).to_dicts() == [
        {"user": "c", "items": [], "seen": 0},
        {"user": "a", "items": ["x"], "seen": 0},
    ]
    assert rows.load([]).columns == ["user", "items", "seen"]


def test_a_row_that_is_no_such_record_is_refused_by_its_key() -> None:
    stage = FormStage()
    stage.fold(["a"])
    rows = Records("rows", Row).bind(stage.session)
    with pytest.raises(WriteRefused, match="'a'"):
        rows.put_one("a", Row("a", None))  # type: ignore[arg-type]
    assert Address("records/rows", "a") not in stage.session.writes.puts
