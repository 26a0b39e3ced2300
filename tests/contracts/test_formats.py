"""Each format, written through a session, committed, and read back by its reader: the same in every technology."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any, Literal

import numpy as np
import polars as pl
import pytest

from storage import (
    Counters,
    CountersReader,
    Documents,
    DocumentsReader,
    FormatRefused,
    Parameters,
    ParametersReader,
    Ranking,
    RankingReader,
    Records,
    RecordsReader,
    Vectors,
    VectorsReader,
    to_frame,
)
from storage.formats.seen import PIECE, Seen
from storage.formats.vector_row import row_of
from storage.formats.vector_scan import nearest
from storage.kinds import KINDS
from storage.options import METRICS
from tests.contracts.conftest import Sides, needs
from tests.storage.form_stage import START, FormStage, Row


@pytest.fixture
def stage(sides: Sides) -> FormStage:
    """A unit of a learner of its own."""
    return FormStage(sides.technology, sides.reads, sides.learner())


def views(count: int) -> pl.DataFrame:
    """Views of a few films, two half-lives of an hour and three quarters long."""
    return pl.DataFrame(
        {
            "list": ["all"] * count,
            "item": [f"i{number * number % 13}" for number in range(count)],
            "n": [number % 5 - 1 for number in range(count)],
            "at": [START + timedelta(minutes=number) for number in range(count)],
        }
    )


def test_counters(sides: Sides, stage: FormStage) -> None:
    needs(sides.technology, "counters")
    form, frame = Counters("c"), views(100)
    bound, reader = form.bind(stage.session), stage.reader(CountersReader, form)
    for part in (frame[:60], frame[60:]):
        bound.add(part, key="item", field="n", amount="n")
        stage.commit()
    expected: dict[str, dict[str, int]] = {}
    for item, number in frame.select("item", "n").iter_rows():
        row = expected.setdefault(item, {})
        row[str(number)] = row.get(str(number), 0) + number
    assert sides.ask(reader.get_many([*expected, "nobody"])) == [*expected.values(), {}]
    assert to_frame(form, stage.technology, stage.describe(form))["value"].sum() == frame["n"].sum()


def test_a_ranking_without_decay(sides: Sides, stage: FormStage) -> None:
    needs(sides.technology, "ranking")
    form, frame = Ranking("r"), views(100)
    bound, reader = form.bind(stage.session), stage.reader(RankingReader, form)
    for part in (frame[:30], frame[30:]):
        bound.add(part, key="list", member="item")
        stage.commit()
    expected = {item: float(count) for item, count in frame["item"].value_counts().iter_rows()}
    order = sorted(expected.items(), key=lambda scored: (-scored[1], scored[0]))
    assert sides.ask(reader.top("all", 3)) == order[:3]
    assert sides.ask(reader.top_many(["nobody", "all"], 99)) == [[], order]
    assert sides.ask(reader.scores("all", ["i0", "nobody"])) == [expected["i0"], None]


@pytest.mark.parametrize("half_life", [timedelta(minutes=1), timedelta(hours=1)])
def test_a_ranking_that_decays(sides: Sides, stage: FormStage, half_life: timedelta) -> None:
    needs(sides.technology, "ranking")
    form, frame = Ranking("trend", half_life=half_life), views(100)
    bound, reader = form.bind(stage.session), stage.reader(RankingReader, form)
    for part in (frame[50:], frame[:50]):
        bound.add(part, key="list", member="item", at="at")
        stage.commit()
    newest, span = frame["at"][-1], 32 * half_life
    oldest = (newest - START.replace(year=1970)) // span - 1
    parts: dict[str, list[float]] = {}
    for item, at in frame.select("item", "at").iter_rows():
        if (at - START.replace(year=1970)) // span >= oldest:
            parts.setdefault(item, []).append(2.0 ** ((at - newest) / half_life))
    expected = {item: math.fsum(weights) for item, weights in parts.items()}
    assert dict(sides.ask(reader.top("all", 99))) == pytest.approx(expected, rel=1e-9)
    best = sorted(expected, key=lambda item: (-expected[item], item))[:2]
    assert [member for member, _ in sides.ask(reader.top("all", 2))] == best
    assert sides.ask(reader.scores("all", [best[0], "nobody"])) == [pytest.approx(expected[best[0]], rel=1e-9), None]
    shown = to_frame(form, stage.technology, stage.describe(form))
    assert dict(zip(shown["member"], shown["score"], strict=True)) == pytest.approx(expected, rel=1e-9)


def test_records(sides: Sides, stage: FormStage) -> None:
    form = Records("rows", Row)
    bound, reader = form.bind(stage.session), stage.reader(RecordsReader, form, Row)
    stage.fold(["a", "b"])
    bound.put(pl.DataFrame({"user": ["a", "b"], "items": [["x", "é"], []], "seen": [1, 2**53]}), key="user")
    stage.commit()
    expected = [Row("a", ["x", "é"], 1), Row("b", [], 2**53), None]
    assert sides.ask(reader.get_many(["a", "b", "c"])) == expected
    assert to_frame(form, stage.technology, stage.describe(form))["user"].to_list() == ["a", "b"]
    needs(sides.technology, ability="load")
    stage.claim()
    stage.fold(["a"])
    assert form.bind(stage.session).get("a") == expected[0]


@pytest.mark.parametrize("metric", METRICS)
def test_vectors(sides: Sides, stage: FormStage, metric: Literal["cosine", "dot", "euclidean"]) -> None:
    needs(sides.technology, "vectors")
    form = Vectors("items", dimensions=3, metric=metric)
    stage.describe(form)
    bound, reader = form.bind(stage.session), stage.reader(VectorsReader, form)
    keys = [f"i{number:02}" for number in range(40)]
    vectors = [[number % 7 - 3.0, number % 5 + 0.5, 1.0 / (number + 1)] for number in range(40)]
    stage.fold(keys)
    for start, stop in ((0, 25), (20, 40)):
        bound.put(pl.DataFrame({"user": keys[start:stop], "v": vectors[start:stop]}), key="user", vector="v")
        stage.commit()
    found = sides.ask(reader.get_many([*keys, "nobody"]))
    assert [None if row is None else row.tolist() for row in found] == [
        *np.array(vectors, np.float32).tolist(),
        None,
    ]
    assert to_frame(form, stage.technology, stage.describe(form))["key"].to_list() == keys


@pytest.mark.parametrize("metric", METRICS)
def test_the_nearest_vectors_or_the_words_why_not(
    sides: Sides, stage: FormStage, metric: Literal["cosine", "dot", "euclidean"]
) -> None:
    needs(sides.technology, "vectors")
    form = Vectors("items", dimensions=3, metric=metric)
    stage.describe(form)
    bound, reader = form.bind(stage.session), stage.reader(VectorsReader, form)
    chance = np.random.default_rng(5)
    vectors = chance.normal(size=(60, 3))
    keys = [f"i{number:02}" for number in range(60)]
    stage.fold(keys)
    bound.put(pl.DataFrame({"user": keys, "v": vectors}), key="user", vector="v")
    stage.commit()
    sides.searchable()
    if "nearest" in KINDS[sides.technology.name].lacks:
        with pytest.raises(FormatRefused, match=f"{sides.technology.name} cannot .* can"):
            sides.ask(reader.nearest([1, 2, 3], 5))
        return
    rows = [(key, row_of(vector, 3, metric)) for key, vector in zip(keys, vectors, strict=True)]
    expected = nearest(rows, row_of([1, 2, 3], 3, metric), 60, metric)
    found = sides.ask(reader.nearest([1, 2, 3], 10))
    assert [key for key, _ in found] == [key for key, _ in expected[:10]]
    assert [value for _, value in found] == pytest.approx([value for _, value in expected[:10]], rel=1e-5, abs=1e-6)
    to_first = sides.ask(reader.nearest_to(keys[0], 3, but=[keys[1]]))
    assert [key for key, _ in to_first] == [
        key for key, _ in nearest(rows, rows[0][1], 60, metric) if key not in keys[:2]
    ][:3]


def test_the_nearest_by_cosine_are_so_however_small_or_large_their_numbers(sides: Sides, stage: FormStage) -> None:
    needs(sides.technology, "vectors", ability="nearest")
    form = Vectors("scaled", dimensions=3, metric="cosine")
    stage.describe(form)
    bound, reader = form.bind(stage.session), stage.reader(VectorsReader, form)
    directions = np.random.default_rng(6).uniform(-1, 1, size=(20, 3))
    scales = np.resize([1e-44, 1e-30, 1e-19, 1.0, 1e19, 3e38], 20)
    vectors, keys = directions * scales[:, None], [f"i{number:02}" for number in range(20)]
    stage.fold(keys)
    bound.put(pl.DataFrame({"user": keys, "v": vectors}), key="user", vector="v")
    stage.commit()
    sides.searchable()
    rows = [(key, row_of(vector, 3, "cosine")) for key, vector in zip(keys, vectors, strict=True)]
    for scale in (1e-30, 1.0, 3e38):
        wanted = np.array([1, -0.5, 0.25]) * scale
        expected = nearest(rows, row_of(wanted, 3, "cosine"), 10, "cosine")
        found = sides.ask(reader.nearest(wanted, 10))
        assert [key for key, _ in found] == [key for key, _ in expected]
        assert [value for _, value in found] == pytest.approx([value for _, value in expected], rel=1e-5, abs=1e-6)
    [kept] = sides.ask(reader.get_many(["i05"]))
    assert np.array_equal(np.asarray(kept), vectors[5].astype(np.float32)), "kept as it was given"


def weights() -> dict[str, Any]:
    """A model that is a dictionary of arrays and numbers."""
    return {"w": np.zeros(2, np.float32), "by_item": {}, "n": 0}


@pytest.mark.parametrize("merge", ["average", "sum"])
def test_parameters(sides: Sides, stage: FormStage, merge: Literal["average", "sum"]) -> None:
    needs(sides.technology, "parameters")
    form = Parameters("like_rate", weights, merge=merge)
    stage.describe(form)
    other = FormStage(sides.technology, sides.reads, stage.learner, partition=11)
    for unit, steps in ((stage, [1.0, 2.0]), (other, [5.0])):
        train(form.bind(unit.session), unit, steps)
        unit.claim()
        train(form.bind(unit.session), unit, [0.5])
    found = sides.ask(stage.reader(ParametersReader, form).get(weights))
    scales = [1.0, 1.0] if merge == "sum" else [3 / 5, 2 / 5]
    assert found["w"] == pytest.approx([scales[0] * 3.5 + scales[1] * 5.5] * 2)
    assert found["by_item"] == pytest.approx({"é": scales[0] * 3.5 + scales[1] * 5.5})
    assert found["n"] == pytest.approx(scales[0] * 3 + scales[1] * 2)
    frame = to_frame(form, stage.technology, stage.describe(form))
    assert frame.filter(pl.col("path") == "n").rows() == [(0, "n", 3.0), (11, "n", 2.0)]


def train(bound: Parameters[dict[str, Any]], unit: FormStage, steps: list[float]) -> None:
    """Each step is an event, and all are one commit."""
    for step in steps:
        unit.fold()
        model = bound.value
        model["w"] += np.float32(step)
        model["by_item"]["é"] = model["by_item"].get("é", 0.0) + step
        model["n"] += 1
    unit.commit()


def test_ids_of_events_that_were_seen(sides: Sides, stage: FormStage) -> None:
    needs(sides.technology, ability="load")
    form = Seen("ids", last=PIECE)
    stage.describe(form)
    other = FormStage(sides.technology, sides.reads, stage.learner, partition=11)
    for unit, first in ((stage, True), (stage, False), (other, True)):
        unit.claim()
        assert form.bind(unit.session).first(["a", "é"]) == [first] * 2
        unit.session.take()
        unit.claim()
        assert form.bind(unit.session).first(["a", None]) == [first, True]  # nothing was committed
        unit.claim()
        bound = form.bind(unit.session)
        bound.first(["a", "é"])
        unit.commit()
    bound = form.bind(stage.session)
    assert bound.first([f"n{number}" for number in range(3 * PIECE)]) == [True] * 3 * PIECE
    stage.commit()
    stage.claim()
    ids = ["a", *(f"n{number}" for number in range(2 * PIECE, 3 * PIECE))]
    assert form.bind(stage.session).first(ids) == [True, *[False] * PIECE]


def test_a_model_of_a_unit_that_has_learned_nothing_is_left_out(sides: Sides, stage: FormStage) -> None:
    needs(sides.technology, "parameters")
    form = Parameters("like_rate", weights, merge="ensemble")
    stage.describe(form)
    reader = stage.reader(ParametersReader, form)
    assert len(sides.ask(reader.get(weights)).models) == 1
    train(form.bind(stage.session), stage, [1.0])
    FormStage(sides.technology, sides.reads, stage.learner, partition=1)
    [model] = sides.ask(reader.get(weights)).models
    assert model["w"].tolist() == [1.0, 1.0]


def test_documents(sides: Sides, stage: FormStage) -> None:
    needs(sides.technology, "documents")
    form = Documents("films", fields=["title", "genres", "year"])
    stage.describe(form)
    bound, reader = form.bind(stage.session), stage.reader(DocumentsReader, form)
    films = pl.DataFrame(
        {
            "user": ["m1", "m2", "m3"],
            "title": ["The Matrix", "The Matrix Reloaded", "Amélie"],
            "genres": [["Action", "Sci-Fi"], ["Action"], None],
            "year": [1999, 2003, 2001],
        }
    )
    stage.fold(["m1", "m2", "m3", "m4"])
    bound.put(films, key="user")
    stage.commit()
    bound.put_one("m2", {"title": "Matrix, reloaded", "year": 2003})
    bound.put_one("m4", {"title": "Alien", "genres": ["horror", "sci-fi"]})
    stage.commit()
    sides.searchable()
    matrix = {"title": "The Matrix", "genres": ["Action", "Sci-Fi"], "year": 1999}
    assert sides.ask(reader.get_many(["m1", "m4", "nobody"])) == [
        matrix,
        {"title": "Alien", "genres": ["horror", "sci-fi"]},
        None,
    ]
    [best, *others] = sides.ask(reader.search("MATRIX the? (genres:", 9))
    assert (best.key, best.fields, [found.key for found in others]) == ("m1", matrix, ["m2"])
    assert best.relevance > others[0].relevance > 0
    for text, keys in {
        "amélie": ["m3"],
        "2003": ["m2"],
        "sci": ["m1", "m4"],
        "action": ["m1"],
        "wild*": [],
        "": [],
    }.items():
        assert {found.key for found in sides.ask(reader.search(text, 9))} == set(keys), text
    assert len(sides.ask(reader.search("matrix", 1))) == 1
    shown = to_frame(form, stage.technology, stage.describe(form))
    assert shown["key"].to_list() == ["m1", "m2", "m3", "m4"]
    assert shown["year"].to_list() == [1999, 2003, 2001, None]


def test_documents_that_fit_equally_are_found_by_key(sides: Sides, stage: FormStage) -> None:
    needs(sides.technology, "documents")
    form = Documents("films", fields=["title"])
    stage.describe(form)
    bound, reader = form.bind(stage.session), stage.reader(DocumentsReader, form)
    keys = ["é", "b", "", "a", "😀", "B", "\x00", "k" * 3_000]
    stage.fold(keys)
    bound.put(pl.DataFrame({"user": keys, "title": ["one two"] * len(keys)}), key="user")
    stage.commit()
    sides.searchable()
    assert [found.key for found in sides.ask(reader.search("two", 99))] == sorted(keys)
    assert [found.key for found in sides.ask(reader.search("two", 3))] == sorted(keys)[:3]


@pytest.mark.parametrize(
    "text",
    [
        '"',
        "one AND",
        "NOT one",
        "one*",
        "title:one",
        "one~2",
        "-one",
        "(one",
        "one\\",
        "\x00one",
        "{}",
        "%",
        "one'; --",
    ],
)
def test_what_people_type_is_never_an_operator(sides: Sides, stage: FormStage, text: str) -> None:
    needs(sides.technology, "documents")
    form = Documents("films", fields=["title"])
    stage.describe(form)
    bound, reader = form.bind(stage.session), stage.reader(DocumentsReader, form)
    stage.fold(["k"])
    bound.put_one("k", {"title": "one and not"})
    stage.commit()
    sides.searchable()
    assert [found.key for found in sides.ask(reader.search(text, 9))] == (["k"] if "one" in text else [])
