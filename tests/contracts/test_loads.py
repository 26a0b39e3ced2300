"""A file becomes a new version, or nothing at all: the same in every technology."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from schemas import Record
from storage import (
    Catalogue,
    Counters,
    CountersReader,
    Ranking,
    RankingReader,
    RecordsReader,
    Tumbling,
    VectorsReader,
    technologies,
    versions,
)
from storage.errors import FileRefused, FormatRefused, StorageConflict, StorageUnavailable
from storage.loads import filling as filling_module
from storage.loads.descriptor import Given
from storage.loads.filling import Filling
from storage.loads.load import Loaded, load
from tests.contracts.conftest import Sides, pointed
from tests.storage.form_stage import START
from tests.storage.load_stage import KINDS, written

Columns = Mapping[str, Sequence[Any]]
RANKED: Columns = {
    "key": ["a", "a", "b", "b", "é"],
    "member": ["x", "y", "x", "z", "x"],
    "score": [1.5, -2, 3, 0, 1e300],
}
COUNTED: Columns = {"key": ["a", "a", "b", "c"], "field": ["x", "y", "x", "é"], "value": [1, -(2**53), 2**53, 0]}
NEAR: Columns = {"key": ["a", "b", "c", "d"], "vector": [[1.0, 0.0], [0.0, 1.0], [0.5, 0.5], [-1.0, 0.1]]}
USERS: Columns = {
    "user": ["ada", "bob", "eve", "é"],
    "age": [36, None, 0, 2**53],
    "likes": ["a,b", 'say "x"', "", "é\n"],
}


class Users(Record):
    """A row."""

    user: str
    likes: str
    age: int | None = None


def must_hold(sides: Sides, format: str) -> None:
    """Skip the test where the technology refuses the format."""
    if why := technologies.kind(sides.technology.name).refuses.get(format):
        pytest.skip(f"{sides.technology.name} refuses {format}: {why}")


def loaded(sides: Sides, file: Path, format: str = "ranking", given: Given | None = None, **more: Any) -> Loaded:
    """The file as a new version of the storage "it"; skips where the technology holds no such rows."""
    must_hold(sides, format)
    return load(sides.technology, format, "it", file, given or Given(), "ada@here", **more)


def reader(sides: Sides, kind: Any, record: Any = None) -> Any:
    """A reader of what the name "it" stands for."""
    catalogue = Catalogue({sides.technology.name: sides.reads})
    sides.ask(catalogue.refresh())
    return catalogue.reader(kind, "it", record)


def rows(sides: Sides) -> dict[str, int]:
    """How many rows each version has."""
    return {item.title: len(list(sides.technology.dump(item))) for item in sides.technology.storages()}


def place(kind: str, row: int) -> str:
    """Where a row is, counted from 1, in a file of this kind."""
    return {"csv": f"line {row + 1}", "ndjson": f"line {row}"}.get(kind, f"row {row}")


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces of three rows."""
    for module in ("storage.loads.columnar", "storage.loads.ndjson_file"):
        monkeypatch.setattr(f"{module}.ROWS", 3)


@pytest.mark.parametrize("kind", KINDS)
def test_a_ranking_is_loaded(sides: Sides, tmp_path: Path, kind: str) -> None:
    done = loaded(sides, written(tmp_path, kind, RANKED))
    assert (done.rows, done.descriptor.version, done.descriptor.made_by) == (5, 1, "ada@here")
    assert done.descriptor.options == Ranking("it").options
    found = reader(sides, RankingReader)
    assert sides.ask(found.top_many(["a", "b", "é", "?"], 9)) == [
        [("x", 1.5), ("y", -2.0)],
        [("x", 3.0), ("z", 0.0)],
        [("x", 1e300)],
        [],
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_counters_are_loaded(sides: Sides, tmp_path: Path, kind: str) -> None:
    assert loaded(sides, written(tmp_path, kind, COUNTED), "counters").rows == 4
    found = sides.ask(reader(sides, CountersReader).get_many(["a", "b", "c"]))
    assert found == [{"x": 1, "y": -(2**53)}, {"x": 2**53}, {"é": 0}]


@pytest.mark.parametrize("kind", KINDS)
def test_vectors_are_loaded(sides: Sides, tmp_path: Path, kind: str) -> None:
    done = loaded(sides, written(tmp_path, kind, NEAR), "vectors", Given(metric="dot"))
    assert done.descriptor.options == {"index": "vector", "dimensions": 2, "metric": "dot"}
    found = sides.ask(reader(sides, VectorsReader).get_many(["d", "a", "?"]))
    assert found[0].tolist() == [-1.0, float(np.float32(0.1))]
    assert found[1].tolist() == [1.0, 0.0]
    assert found[2] is None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("schema", [None, Users.avro_schema()])
def test_records_are_loaded(sides: Sides, tmp_path: Path, kind: str, schema: Any) -> None:
    done = loaded(sides, written(tmp_path, kind, USERS), "records", Given("user", schema))
    assert done.rows == 4
    rows_of = reader(sides, RecordsReader, None if schema is None else Users)
    found = sides.ask(rows_of.get_many(["eve", "bob", "é", "ada"]))
    plain = [row if schema is None else row.to_dict() for row in found]
    expected = [dict(zip(USERS, values, strict=True)) for values in zip(*USERS.values(), strict=True)]
    assert plain == [expected[2], expected[1], expected[3], expected[0]]


@pytest.mark.parametrize("kind", KINDS)
def test_documents_are_loaded(sides: Sides, tmp_path: Path, kind: str) -> None:
    must_hold(sides, "documents")
    options = {"index": "text", "fields": ["title", "about"]}
    before = replace(Counters("it").describe("", 1, 1, ""), format="documents", options=options, technology="any")
    sides.technology.declare(replace(before, writer=""))
    texts: Columns = {"film": ["x", "é"], "title": ["Up", 'A "quote"'], "about": [None, "é,\n"]}
    done = loaded(sides, written(tmp_path, kind, texts), "documents", Given("film"))
    rows = sides.ask(sides.reads.rows(done.descriptor, ["é", "x", "?"]))
    assert rows == ['{"title":"A \\"quote\\"","about":"é,\\n"}'.encode(), b'{"title":"Up"}', None]


def test_a_ranking_that_decays_is_loaded_by_when_its_scores_were_so(sides: Sides, tmp_path: Path) -> None:
    must_hold(sides, "ranking")
    hour = timedelta(hours=1)
    before = Ranking("it", half_life=hour, technology=sides.technology.name).describe("watching", 1, 1, "clicks")
    sides.technology.declare(before)
    at = [START, START + hour, START + 40 * hour, START + 40 * hour]
    file = written(tmp_path, "parquet", {"key": ["a"] * 4, "member": list("xyxz"), "score": [8.0, 8, 1, 5], "at": at})
    done = loaded(sides, file)
    assert done.descriptor.options == before.options
    top = dict(sides.ask(reader(sides, RankingReader).top("a", 9)))
    assert top == pytest.approx({"x": 1 + 8 * 2.0**-40, "y": 8 * 2.0**-39, "z": 5.0}, rel=1e-9)


def test_the_next_load_takes_options_and_schema_over_and_the_name_can_go_back(sides: Sides, tmp_path: Path) -> None:
    loaded(sides, written(tmp_path, "csv", USERS), "records", Given("user", Users.avro_schema()))
    again = loaded(sides, written(tmp_path, "csv", {**USERS, "age": [1, 2, 3, 4]}), "records", Given("user"))
    assert (again.descriptor.version, again.descriptor.schema) == (2, Users.avro_schema())
    assert again.alias is not None
    assert (again.alias.version, again.alias.previous) == (2, 1)
    assert sides.ask(reader(sides, RecordsReader).get("ada"))["age"] == 1
    versions.rollback(sides.technology, "records", "it")
    assert sides.ask(reader(sides, RecordsReader).get("ada"))["age"] == 36


def test_a_load_that_keeps_leaves_the_name_alone(sides: Sides, tmp_path: Path) -> None:
    loaded(sides, written(tmp_path, "csv", RANKED))
    done = loaded(sides, written(tmp_path, "csv", RANKED), switch=False)
    assert (done.descriptor.version, pointed(sides)) == (2, {("ranking", "it"): 1})
    versions.switch(sides.technology, "ranking", "it", 2)
    assert pointed(sides) == {("ranking", "it"): 2}


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("format", "columns", "first", "again", "what"),
    [
        ("ranking", {"key": [*"abcdefga"], "member": ["x"] * 8, "score": [1.0] * 8}, 1, 8, "key 'a' and member 'x'"),
        ("counters", {"key": [*"abcabc"], "field": [*"xxxyyx"], "value": [1] * 6}, 3, 6, "key 'c' and field 'x'"),
        ("vectors", {"key": [*"abcdb"], "vector": [[1.0]] * 5}, 2, 5, "key 'b'"),
        ("records", {"key": [*"abbc"], "n": [1, 2, 3, 4]}, 2, 3, "key 'b'"),
    ],
)
def test_what_comes_twice_is_named_with_both_places_and_nothing_is_left(
    sides: Sides, tmp_path: Path, kind: str, format: str, columns: Columns, first: int, again: int, what: str
) -> None:
    file = written(tmp_path, kind, columns)
    with pytest.raises(FileRefused) as refused:
        loaded(sides, file, format)
    assert str(refused.value) == (
        f"{file.name}, {place(kind, again)}: found {what} again, after {place(kind, first)}; a load writes each once."
    )
    assert rows(sides) == {}


@pytest.mark.usefixtures("small_chunks")
def test_a_load_that_fails_half_way_leaves_the_old_version_serving_and_nothing_else(
    sides: Sides, tmp_path: Path
) -> None:
    first = loaded(sides, written(tmp_path, "csv", RANKED))
    wrong = written(tmp_path, "parquet", {**RANKED, "score": [1.0, 2.0, 3.0, 4.0, float("nan")]})
    with pytest.raises(FileRefused, match="row 5, column 'score': found a number nan, expected a finite number"):
        loaded(sides, wrong)
    assert sides.technology.storages() == [first.descriptor]
    assert pointed(sides) == {("ranking", "it"): 1}
    assert sides.ask(reader(sides, RankingReader).score("a", "x")) == 1.5
    gone = replace(first.descriptor, version=2)
    assert list(sides.technology.dump(gone)) in ([], list(sides.technology.dump(first.descriptor)))


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("error", [StorageUnavailable("gone"), KeyboardInterrupt(), SystemExit(143)])
def test_whatever_ends_a_load_what_was_filled_is_erased(sides: Sides, tmp_path: Path, error: BaseException) -> None:
    def seen(rows: int, part: float) -> None:
        raise error

    with pytest.raises(type(error)):
        loaded(sides, written(tmp_path, "csv", RANKED), seen=seen)
    assert rows(sides) == {}
    assert pointed(sides) == {}
    assert loaded(sides, written(tmp_path, "csv", RANKED)).descriptor.version == 1


@pytest.mark.usefixtures("small_chunks")
def test_a_load_that_was_taken_for_dead_and_is_not_disturbs_nobody(
    sides: Sides, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filling_module, "BEAT", timedelta(0))
    other: list[Loaded] = []

    def seen(rows: int, part: float) -> None:
        if not other:
            [mine] = [item for item in sides.technology.storages() if item.state == "filling"]
            assert sides.technology.alter(mine, replace(mine, alive_ms=0))
            other.append(loaded(sides, written(tmp_path, "ndjson", RANKED)))

    with pytest.raises(StorageConflict, match="taken for dead"):
        loaded(sides, written(tmp_path, "csv", {**RANKED, "score": [0.0] * 5}), seen=seen)
    [winner] = other
    assert winner.descriptor.version == 1, "the dead load's number is free again"
    assert sides.technology.storages() == [winner.descriptor]
    assert sides.ask(reader(sides, RankingReader).top("b", 9)) == [("x", 3.0), ("z", 0.0)]


def test_of_two_loads_at_once_each_has_a_version_and_the_last_to_end_has_the_name(sides: Sides, tmp_path: Path) -> None:
    files = [written(tmp_path, kind, RANKED) for kind in ("csv", "ndjson", "parquet")]
    with ThreadPoolExecutor(len(files)) as pool:
        done = list(pool.map(lambda file: loaded(sides, file), files))
    assert sorted(item.descriptor.version for item in done) == [1, 2, 3]
    assert sorted(rows(sides).values()) == [3, 3, 3]
    assert pointed(sides)["ranking", "it"] in (1, 2, 3)


def test_what_a_killed_load_has_left_is_erased_by_the_next(sides: Sides, tmp_path: Path) -> None:
    must_hold(sides, "ranking")
    dead = Filling(sides.technology, Ranking("it").describe("", 1, 1, ""), "bob@gone")
    dead.begin()
    file = written(tmp_path, "csv", RANKED)
    assert loaded(sides, file).descriptor.version == 2, "it may be alive"
    [left] = [item for item in sides.technology.storages() if item.state == "filling"]
    sides.technology.alter(left, replace(left, alive_ms=0))
    loaded(sides, file)
    assert [item.version for item in sides.technology.storages()] == [2, 3]


def test_parameters_cannot_be_loaded(sides: Sides, tmp_path: Path) -> None:
    must_hold(sides, "parameters")
    with pytest.raises(FormatRefused, match="what a learner has trained"):
        loaded(sides, written(tmp_path, "csv", RANKED), "parameters")


def test_windows_are_filled_by_learners_alone(sides: Sides, tmp_path: Path) -> None:
    must_hold(sides, "ranking")
    sides.technology.declare(Ranking("it", window=Tumbling(hours=1)).describe("hourly", 1, 1, "clicks"))
    with pytest.raises(FormatRefused, match="is kept by window of event time, which a learner fills"):
        loaded(sides, written(tmp_path, "csv", RANKED))
