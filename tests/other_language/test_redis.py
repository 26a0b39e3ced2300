"""A program in another language reads what learners and loads have written, and loads versions that we read."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from schemas import Record
from storage import (
    Catalogue,
    Counters,
    Ranking,
    RankingReader,
    Records,
    Vectors,
    VectorsReader,
    versions,
)
from storage.loads.descriptor import Given
from storage.loads.load import load
from storage.technologies import opened, opened_reads
from storage.technology import Technology
from tests.storage.form_stage import START, FormStage, ask
from tests.storage.load_stage import written

HERE = Path(__file__).parent


class Profile(Record):
    """A row with every kind of field that the other program knows."""

    user: str
    likes: list[str]
    age: int | None
    rate: float
    active: bool


@pytest.fixture(params=["redis_clean", "redis_cluster_url"])
def address(request: pytest.FixtureRequest) -> str:
    """An empty Redis, and an empty cluster."""
    return str(request.getfixturevalue(request.param))


@pytest.fixture
def technology(address: str) -> Iterator[Technology]:
    with closing(opened("redis", address)) as technology:
        yield technology


@pytest.fixture
def elsewhere(node: str, address: str) -> Any:
    """Asks the other program."""

    def asked(*questions: Sequence[Any]) -> Any:
        run = subprocess.run(
            [node, str(HERE / "main.mjs"), address],
            input=json.dumps(questions),
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert run.returncode == 0, run.stderr
        return json.loads(run.stdout)

    return asked


def test_it_reads_what_a_learner_has_written(technology: Technology, address: str, elsewhere: Any) -> None:
    stage = FormStage(technology, opened_reads("redis", address), "watching")
    trend = Ranking("trend", half_life=timedelta(hours=1)).bind(stage.session)
    views, rows = Counters("views").bind(stage.session), Records("profile", Profile).bind(stage.session)
    near = Vectors("taste", 3).bind(stage.session)
    for form in (trend, views, rows, near):
        stage.describe(form)
    stage.fold(["a:b", "é"])
    minutes = [0, 100, 1000, 1900, 1960, 1960]
    frame = pl.DataFrame(
        {
            "key": ["a:b"] * 6,
            "member": ["x", "é", "x", "é", "😀", "\uffff"],
            "at": [START + timedelta(minutes=number) for number in minutes],
            "n": [2, -5, 2**40, 0, 1, 1],
        }
    )
    trend.add(frame, key="key", member="member", at="at")
    views.add(frame, key="key", field="member", amount="n")
    rows.put_one("é", Profile("é", ["a", "", "😀" * 50], None, 0.1, True))
    rows.put_one("a:b", Profile("b", [], -(2**53), -1e300, False))
    near.put_one("é", [0.1, -1, 1e-30])
    stage.commit()
    found = elsewhere(
        ["top", "ranking/trend", "a:b", 9],
        ["counters", "counters/views", "a:b"],
        ["record", "records/profile", "é"],
        ["record", "records/profile", "a:b"],
        ["record", "records/profile", "nobody"],
        ["vector", "vectors/taste", "é"],
    )

    async def ours() -> Any:
        reads = opened_reads("redis", address)
        catalogue = Catalogue({"redis": reads})
        await catalogue.refresh()
        top = await catalogue.reader(RankingReader, "trend").top("a:b", 9)
        await reads.close()
        return top

    top = ask(ours())
    assert [member for member, _ in found[0]] == [member for member, _ in top]
    assert [score for _, score in found[0]] == pytest.approx([score for _, score in top], rel=1e-9)
    assert found[1] == {"x": 2**40 + 2, "é": -5, "😀": 1, "\uffff": 1}
    assert found[2] == {"user": "é", "likes": ["a", "", "😀" * 50], "age": None, "rate": 0.1, "active": True}
    assert found[3] == {"user": "b", "likes": [], "age": -(2**53), "rate": -1e300, "active": False}
    assert found[4] is None
    assert found[5] == np.array([0.1, -1, 1e-30], np.float32).tolist()


def test_it_reads_what_a_load_has_written(technology: Technology, tmp_path: Path, elsewhere: Any) -> None:
    file = written(tmp_path, "parquet", {"key": [*"aab"], "member": [*"xyx"], "score": [0.1, -3.0, 1e300]})
    load(technology, "ranking", "popular", file, Given(), "ada")
    load(
        technology,
        "ranking",
        "popular",
        written(tmp_path, "csv", {"key": ["a"], "member": ["z"], "score": [7]}),
        Given(),
        "ada",
    )
    assert elsewhere(["top", "ranking/popular", "a", 9]) == [[["z", 7]]]
    versions.rollback(technology, "ranking", "popular")
    assert elsewhere(["top", "ranking/popular", "a", 9]) == [[["x", 0.1], ["y", -3]]]


def test_what_it_loads_is_read_switched_rolled_back_and_loaded_over_as_any_other(
    technology: Technology, address: str, tmp_path: Path, elsewhere: Any
) -> None:
    file = written(tmp_path, "csv", {"key": ["a"], "member": ["old"], "score": [1]})
    load(technology, "ranking", "popular", file, Given(), "ada")
    vectors = {"index": "vector", "dimensions": 2, "metric": "dot"}
    elsewhere(
        ["load_ranking", "ranking/popular", {"a": {"x": 0.1, "é": 0.1, "z": -2}, "b:c": {"😀": 5}, "": {"y": 0}}],
        ["load_vectors", "vectors/taste", vectors, {"é": [0.1, -1], "b": [1, 0]}],
    )

    async def ours() -> list[Any]:
        reads = opened_reads("redis", address)
        catalogue = Catalogue({"redis": reads})
        await catalogue.refresh()
        ranking, near = catalogue.reader(RankingReader, "popular"), catalogue.reader(VectorsReader, "taste")
        found: list[Any] = await ranking.top_many(["a", "b:c", "", "?"], 9)
        found += [row if row is None else row.tolist() for row in await near.get_many(["é", "b", "?"])]
        found += [
            await reads.count(catalogue.find("ranking", "popular")),
            catalogue.find("ranking", "popular").made_by[:5],
        ]
        await reads.close()
        return found

    assert ask(ours()) == [
        [("x", 0.1), ("é", 0.1), ("z", -2.0)],
        [("😀", 5.0)],
        [("y", 0.0)],
        [],
        [float(np.float32(0.1)), -1.0],
        [1.0, 0.0],
        None,
        5,
        "node@",
    ]
    assert [item.version for item in versions.versions(technology, "ranking", "popular")] == [1, 2]
    assert versions.rollback(technology, "ranking", "popular").version == 1
    assert elsewhere(["top", "ranking/popular", "a", 9]) == [[["old", 1]]]
    assert versions.switch(technology, "ranking", "popular", 2).version == 2
    done = load(technology, "ranking", "popular", file, Given(), "ada")
    assert (done.descriptor.version, done.alias and done.alias.previous) == (3, 2)
    [theirs] = [item for item in technology.storages() if (item.name, item.version) == ("popular", 2)]
    assert technology.alter(theirs, replace(theirs, made_by="ada"))
    assert versions.delete(technology, "ranking", "popular", 2, force=True) == 1  # whoever read it above leased it
    assert list(technology.dump(theirs)) == []
