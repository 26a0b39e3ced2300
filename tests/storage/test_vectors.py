"""Vectors keep what was put, refuse what they cannot hold in clear words, and are found by being near."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import polars as pl
import pytest

from storage import (
    Address,
    FormatRefused,
    PutRefused,
    SuspectGeneration,
    Vectors,
    VectorsReader,
    WriteRefused,
    Writes,
    to_frame,
)
from storage.formats.vector_row import Vector
from storage.options import METRICS
from tests.storage.form_stage import FormStage, ask

KEYS = ["a", "b", "c", "d"]
ROWS = [[1.0, 0.0], [0.0, 2.0], [3.0, 3.0], [-1.0, 0.5]]


def frame(vectors: list[Any], keys: list[str] = KEYS, inner: Any = pl.Float64) -> pl.DataFrame:
    return pl.DataFrame({"user": keys, "embedding": pl.Series(vectors, dtype=pl.List(inner))})


def plain(vector: Vector | None) -> list[float] | None:
    return None if vector is None else vector.tolist()


def folding(form: Vectors) -> tuple[FormStage, Vectors]:
    stage = FormStage()
    stage.fold(KEYS)
    return stage, form.bind(stage.session)


def test_a_row_is_float32_little_endian_and_nothing_else() -> None:
    stage, vectors = folding(Vectors("items", dimensions=3))
    vectors.put_one("a", [1, 0.1, -2.5])
    assert stage.session.writes.puts == {
        Address("vectors/items", "a"): np.array([1, 0.1, -2.5], dtype="<f4").tobytes(),
    }


def test_the_storage_says_its_dimensions_its_metric_and_that_it_is_searched() -> None:
    found = Vectors("items", dimensions=2, metric="dot").describe("watching", 1, 1, "clicks")
    assert found.options == {"index": "vector", "dimensions": 2, "metric": "dot"}
    assert (found.title, found.index, found.schema) == ("redis/vectors/items@1", "vector", None)


@pytest.mark.parametrize("inner", [pl.Float32, pl.Float64, pl.Int16])
@pytest.mark.parametrize("array", [False, True])
def test_lists_and_arrays_of_numbers_are_put_and_of_several_the_last_counts(inner: Any, array: bool) -> None:
    stage, vectors = folding(form := Vectors("items", dimensions=2))
    rows = frame([[9, 9], *ROWS], ["d", *KEYS], pl.Float64).with_columns(pl.col("embedding").cast(pl.List(inner)))
    if array:
        rows = rows.with_columns(pl.col("embedding").cast(pl.Array(inner, 2)))
    vectors.put(rows[:4], key="user", vector="embedding")
    vectors.put(rows[4:], key="user", vector="embedding")
    stage.commit()
    expected = np.array(ROWS).astype(np.int16 if inner == pl.Int16 else np.float32).astype(np.float32)
    found = ask(stage.reader(VectorsReader, form).get_many([*KEYS, "nobody"]))
    assert found[-1] is None
    assert np.array_equal(np.array(found[:-1]), expected)
    shown = to_frame(form, stage.technology, stage.describe(form))
    assert shown.columns == ["key", "vector"]
    assert shown["key"].to_list() == KEYS
    assert np.array_equal(shown["vector"].to_numpy(), expected)


def test_a_fold_reads_its_vectors_back_and_what_it_does_to_them_is_not_committed() -> None:
    stage, vectors = folding(form := Vectors("items", dimensions=2))
    mine = np.array([1.0, 2.0], dtype=np.float32)
    vectors.put_one("a", mine)
    mine[0] = 9
    read = vectors.get("a")
    assert read is not None
    read[1] = 9
    assert plain(vectors.get("a")) == [1, 2]
    stage.commit()
    stage.claim()
    stage.fold(KEYS)
    again = form.bind(stage.session)
    assert again.load(["b", "a"]).to_dicts() == [{"key": "a", "vector": [1.0, 2.0]}]
    assert plain(again.get("a")) == [1, 2]
    assert again.get("b") is None
    assert again.load([]).columns == ["key", "vector"]


@pytest.mark.parametrize("by", ["column", "row"])
@pytest.mark.parametrize(
    ("vector", "words"),
    [
        ([1.0], "1 numbers"),
        ([1.0, 2.0, 3.0], "3 numbers"),
        ([1.0, math.nan], "nan"),
        ([math.inf, 1.0], "inf"),
        ([1e39, 1.0], "1e\\+39"),
        ([0.0, -0.0], "zeros"),
        (["x", "y"], "numbers"),
    ],
)
def test_what_is_no_vector_is_refused_in_words(by: str, vector: list[Any], words: str) -> None:
    _, vectors = folding(Vectors("items", dimensions=2))
    rows = frame([vector], ["a"], pl.String if isinstance(vector[0], str) else pl.Float64)
    with pytest.raises(WriteRefused, match=f"vectors/items.*{words}"):
        vectors.put_one("a", vector) if by == "row" else vectors.put(rows, key="user", vector="embedding")
    assert not vectors.session.writes.puts


def test_zeros_are_a_vector_where_only_its_length_counts() -> None:
    _, vectors = folding(Vectors("items", dimensions=2, metric="euclidean"))
    vectors.put_one("a", [0, 0])
    assert plain(vectors.get("a")) == [0, 0]


@pytest.mark.parametrize("vectors", [[None], [[1.0, None]]])
def test_nulls_are_refused_by_the_columns_name(vectors: list[Any]) -> None:
    _, form = folding(Vectors("items", dimensions=2))
    with pytest.raises(WriteRefused, match="'embedding'"):
        form.put(frame(vectors, ["a"]), key="user", vector="embedding")
    with pytest.raises(WriteRefused, match="columns other"):
        form.put(frame([[1.0, 2.0]], ["a"]), key="user", vector="other")
    with pytest.raises(WriteRefused, match="no lists of numbers"):
        form.put(frame([[1.0, 2.0]], ["a"]), key="user", vector="user")


def test_vectors_of_another_unit_are_neither_put_nor_read() -> None:
    _, vectors = folding(Vectors("items", dimensions=2))
    with pytest.raises(PutRefused, match="'theirs'"):
        vectors.put_one("theirs", [1, 2])
    with pytest.raises(PutRefused, match="'theirs'"):
        vectors.get("theirs")
    with pytest.raises(PutRefused, match="split by 'user'"):
        vectors.put(pl.DataFrame({"item": ["a"], "embedding": [[1.0, 2.0]]}), key="item", vector="embedding")


@pytest.mark.parametrize("options", [{"dimensions": 0}, {"dimensions": 2, "metric": "manhattan"}])
def test_options_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(FormatRefused, match="vectors/items"):
        Vectors("items", **options)


@pytest.mark.parametrize("metric", METRICS)
def test_the_nearest_come_best_first_without_those_that_are_left_out(metric: Any) -> None:
    stage, vectors = folding(form := Vectors("items", dimensions=2, metric=metric))
    vectors.put(frame(ROWS), key="user", vector="embedding")
    stage.commit()
    reader = stage.reader(VectorsReader, form)
    first = ask(reader.nearest([1.0, 0.1], 4))
    assert len(first) == 4
    assert [value for _, value in first] == sorted((value for _, value in first), reverse=True)
    assert ask(reader.nearest([1.0, 0.1], 2)) == first[:2]
    assert ask(reader.nearest(np.array([1.0, 0.1]), 2, but=[first[0][0], "nobody"])) == first[1:3]
    assert ask(reader.nearest([1.0, 0.1], 0)) == []


def test_the_nearest_to_a_key_are_others_and_none_where_it_has_no_vector() -> None:
    stage, vectors = folding(form := Vectors("items", dimensions=2))
    vectors.put(frame(ROWS), key="user", vector="embedding")
    stage.commit()
    reader = stage.reader(VectorsReader, form)
    assert [key for key, _ in ask(reader.nearest_to("a", 2))] == ["c", "b"]
    assert [key for key, _ in ask(reader.nearest_to("a", 2, but=["c"]))] == ["b", "d"]
    assert ask(reader.nearest_to("nobody", 2)) == []


def test_a_question_that_is_no_such_vector_is_refused_in_words() -> None:
    stage, _ = folding(form := Vectors("items", dimensions=2))
    reader = stage.reader(VectorsReader, form)
    with pytest.raises(FormatRefused, match=r"redis/vectors/items@1 .* 3 numbers instead of 2"):
        ask(reader.nearest([1, 2, 3], 1))


def test_a_row_of_another_length_is_suspect() -> None:
    stage, _ = folding(form := Vectors("items", dimensions=2))
    stage.session.writes = Writes(puts={Address("vectors/items", "a"): b"\0" * 12})
    stage.commit()
    with pytest.raises(SuspectGeneration, match="12 bytes"):
        ask(stage.reader(VectorsReader, form).get("a"))
