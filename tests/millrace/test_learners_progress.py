"""How far each learner has come, who folds it, and what stands still: as `millrace status` says it."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from learners import Placement
from millrace.cli import app
from millrace.learners_progress import PRODUCTS, progress, rows, unusual
from storage import UnitId, UnitState
from storage.technologies import opened
from streams import Stop
from streams.archive.archiver import GROUP
from tests.faults.crew import crew
from tests.learners.samples import ItemCounts, Rating, ratings
from tests.waiting import until

NOW = 1_000_000.0
ENDS = {("clicks", 0): (0, 10), ("clicks", 1): (2, 8)}
WORKERS = {("clicks", 0): ["shop/worker-0"], ("clicks", 1): ["shop/worker-1"]}


def state(partition: int, position: int | None, ago: float | None = 0.0, version: int = 1) -> UnitState:
    committed = None if ago is None else int(NOW - ago * 1000)
    return UnitState(UnitId("a", version, 1, "clicks", partition), 1, position, None, committed)


@pytest.mark.parametrize(
    ("unit", "workers", "condition", "behind"),
    [
        (state(0, 10, 900), {}, "in step", 0),
        (state(0, 4), WORKERS, "behind", 6),
        (state(0, 4, 9), WORKERS, "stands still", 6),
        (state(0, 4, 9), {}, "no worker", 6),
        (state(1, None, None), WORKERS, "not started", 6),
        (state(0, 4, 9), {("clicks", 0): ["shop-rebuild-a-2/one"]}, "no worker", 6),
        (state(0, 4, version=2), {("clicks", 0): ["shop-rebuild-a-2/one"]}, "behind", 6),
    ],
)
def test_a_unit_is_said_to_be(
    unit: UnitState, workers: dict[tuple[str, int], list[str]], condition: str, behind: int
) -> None:
    [found] = progress([unit], ENDS, [], workers, NOW)
    assert (found.condition, found.behind.events) == (condition, behind)
    assert bool(unusual([found])) == (condition not in ("in step", "behind"))


def test_a_stop_is_why_and_a_learner_is_as_its_worst_unit() -> None:
    stop = Stop("a", 1, "clicks", 1, 5, "too many were bad", "2026-11-26T14:02:00+00:00")
    found = progress([state(0, 10), state(1, 5, 60)], ENDS, [stop], WORKERS, NOW)
    assert [(one.condition, one.why) for one in found] == [("in step", ""), ("stands still", "too many were bad")]
    [row] = rows(found)
    assert (row["learner"], row["state"], row["units"], row["behind"]) == ("a@1", "stands still", 2, 3)
    assert row["workers"] == "shop/worker-0, shop/worker-1"


def test_of_versions_the_newest_counts_and_one_that_has_committed_since() -> None:
    versions = [state(0, 10, 5), state(0, 3, 9, version=2)]
    assert [one.unit.version for one in progress(versions, ENDS, [], WORKERS, NOW)] == [1, 2]
    versions = [state(0, 10, 9), state(0, 3, 5, version=2)]
    assert [one.unit.version for one in progress(versions, ENDS, [], WORKERS, NOW)] == [2]
    versions = [state(0, 10, 1), state(0, 3, 9, version=2), state(0, None, None, version=3)]
    assert [one.unit.version for one in progress(versions, ENDS, [], WORKERS, NOW)] == [1, 3]
    assert progress([state(7, 3)], ENDS, [], WORKERS, NOW) == []


@pytest.mark.parametrize("made", [state(0, 3, 9, version=2), state(0, None, None, version=2)])
def test_where_workers_may_be_those_of_the_version_before_it_is_said(made: UnitState) -> None:
    before, after = progress([state(0, 10, 5), made], ENDS, [], WORKERS, NOW)
    assert before.condition == "in step"
    assert "version 1 has committed since" in after.why


@pytest.mark.parametrize("late", [state(0, 4, 9), state(0, None, None)])
def test_a_learner_that_its_workers_product_declares_no_more_is_said_to_be_of_no_product(late: UnitState) -> None:
    def condition(**declared: set[str]) -> str:
        [found] = progress([late], ENDS, [], WORKERS, NOW, declared)
        [line] = unusual([found])
        assert ("millrace storages" in line) == (found.condition == "not declared")
        return found.condition

    assert condition(shop={"b"}) == "not declared"
    for unknown in (condition(), condition(shop={"a", "b"}), condition(other={"b"})):
        assert unknown in ("stands still", "not started")


def test_an_archiver_is_nobodys_worker() -> None:
    assert not GROUP.startswith(PRODUCTS)


@pytest.mark.server
def test_status_names_learners_their_units_and_the_workers_that_fold_them(
    kafka: str, registry_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"sqlite:///{tmp_path / 'rows.db'}"
    for name, value in {"KAFKA": kafka, "RELATIONAL_URL": address, "REDIS_URL": "redis://127.0.0.1:9"}.items():
        monkeypatch.setenv(f"MILLRACE_{name}", value)
    monkeypatch.chdir(tmp_path)
    with (
        closing(opened("relational", address)) as technology,
        crew(kafka, registry_url, technology, Rating.event_type, [ItemCounts]) as workers,
    ):
        workers.send(ratings(40).to_dicts())
        workers.start("worker-0", placement=Placement("relational"))
        until(workers.level)
        topic = workers.event_type.topic
        shown = CliRunner().invoke(app, ["status"]).stdout
        [line] = [line for line in shown.splitlines() if "item_counts@1" in line]
        assert line.split()[1:6] == ["in", "step", topic, "2", "0"]
        assert line.endswith(f"{topic}/worker-0")
        workers.stop("worker-0")
        workers.send(ratings(1).to_dicts())
        [found] = json.loads(CliRunner().invoke(app, ["status", "--output", "json"]).stdout)["learners"]["learners"]
        assert (found["learner"], found["state"], found["behind"]) == ("item_counts@1", "no worker", 1)
        assert sorted(unit["state"] for unit in found["units"]) == ["in step", "no worker"]
