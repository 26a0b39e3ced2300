"""`millrace experiments` against a running service: started, looked at, changed, refused in one sentence."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import msgspec
import pytest
from typer.testing import CliRunner, Result

from millrace.cli import app
from schemas.errors import MillraceError
from schemas.table import MemoryTable
from serving import Experiment, Shared
from serving.experiments.definition import Definition, Split
from tests.listening import listening
from tests.plain import PLAIN
from tests.serving.shop import Goal, Recommendations, Shop, popular

Run = Callable[..., Result]


@pytest.fixture
def table() -> MemoryTable:
    """Where the experiments are."""
    return MemoryTable()


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, table: MemoryTable) -> Iterator[Run]:
    """Runs `millrace experiments` with a service that serves `recommend`, and has no experiment yet."""
    service = Shop(popular(default=Recommendations([]))).service(goals=[Goal()], shared=Shared(table))
    with listening(service.app()) as server:
        monkeypatch.setenv("MILLRACE_SERVICE_PORT", str(server.config.port))
        runner = CliRunner()
        yield lambda *arguments: runner.invoke(app, ["experiments", *arguments])


def listed(run: Run) -> Any:
    return json.loads(run("list", "--output", "json").stdout)


def refused(result: Result) -> str:
    assert isinstance(result.exception, MillraceError)
    return str(result.exception)


def test_an_experiment_is_run_from_its_start_to_its_end(run: Run) -> None:
    assert "There is no experiment; start one: millrace experiments start" in run("list").stdout
    done = run(
        *["start", "recommend", "popular_now:60", "newest:40", "--goal", "click", "--ramp", "10", "--note", "why"]
    )
    assert done.exit_code == 0, done.output
    assert "recommend is running: started, popular_now 60, newest 40 on recommend, 10 %" in done.stdout
    [row] = listed(run)
    assert (row["variants"], row["state"], row["ramp"]) == ("popular_now:60, newest:40", "running", "10 %")
    assert row["split_since"] is None
    assert [one["share"] for one in json.loads(run("show", "--output", "json").stdout)] == [0.6, 0.4]
    assert run("ramp", "recommend", "12.5").exit_code == 0
    assert "newest answers for everybody" in run("ship", "recommend", "newest").stdout
    assert listed(run)[0]["state"] == "shipped: newest"
    assert run("rollback", "recommend").exit_code == 0
    assert "started with 12.5 %" in run("start", "recommend").stdout
    assert "recommend is stopped" in run("stop", "recommend", "--note", "enough").stdout

    history = json.loads(run("history", "recommend", "--output", "json").stdout)
    assert [line["what"].partition(":")[0] for line in history] == [
        *("create", "ramp", "ship", "rollback", "start", "stop")
    ]
    assert (history[0]["note"], history[-1]["note"]) == ("why", "enough")
    assert all(line["by"] for line in history)
    assert "popular_now" in run("show", "recommend").stdout


def test_a_draft_is_prepared_and_started_by_its_name(run: Run) -> None:
    run(*["start", "recommend", "newest:1", "popular_now:1", "--goal", "click", "--name", "tuesday", "--draft"])
    assert [(row["experiment"], row["state"]) for row in listed(run)] == [("tuesday", "draft")]
    assert json.loads(run("start", "tuesday", "--ramp", "50", "--output", "json").stdout)["ramp"] == 50


def test_one_experiment_of_several_on_an_endpoint_type_is_shown_by_its_name(run: Run) -> None:
    assert "There is no experiment; start one" in run("show", "first").stdout
    for name in ("first", "second"):
        run("start", "recommend", "popular_now:1", "newest:1", *f"--goal click --name {name} --ramp 50".split())

    def shown(*arguments: str) -> set[str]:
        return {row["experiment"] for row in json.loads(run("show", *arguments, "--output", "json").stdout)}

    assert shown("second") == {"second"}
    assert shown("recommend") == shown() == {"first", "second"}
    assert "'third' or on it; there are: first, second." in refused(run("show", "third"))


def test_the_split_may_be_left_to_the_rewards(run: Run) -> None:
    done = run(
        "start", "recommend", "popular_now:1", "newest:1", *["--goal", "click", "--thompson", "6h", "--output", "json"]
    )
    item = json.loads(done.stdout)
    assert (item["period_s"], len(item["splits"])) == (21_600, 1)
    assert "anew by rewards every 6 h" in item["history"][-1]["what"]


def test_of_a_split_that_follows_the_rewards_that_of_now_is_shown_and_since_when(table: MemoryTable) -> None:
    period = 30 * 24 * 3600
    number = int(time.time() // period)
    split = [Split(number - 1, (5000, 10_000)), Split(number, (2110, 10_000))]
    table.change(lambda rows: ("recommend", following(period, split).to_bytes()))
    service = Shop(popular(default=Recommendations([]))).service(goals=[Goal()], shared=Shared(table))
    with listening(service.app()) as server:
        environment = {"MILLRACE_SERVICE_PORT": str(server.config.port)}

        def run(*arguments: str) -> str:
            return CliRunner().invoke(app, ["experiments", *arguments], env=environment).stdout

        [row] = json.loads(run("list", "--output", "json"))
        shown = json.loads(run("show", "--output", "json"))
        said = run("show", "recommend")

    since = datetime.fromtimestamp(number * period, UTC)
    assert row["variants"] == "popular_now:21.1 %, newest:78.9 %"
    assert datetime.fromisoformat(row["split_since"]) == since
    assert [(one["variant"], one["share"]) for one in shown] == [("popular_now", 0.211), ("newest", 0.789)]
    assert f"these shares hold since {since.astimezone():%Y-%m-%d %H:%M}." in said


def following(period_s: int, splits: Sequence[Split]) -> Definition:
    """The experiment `recommend`, which runs, and whose split follows the rewards."""
    experiment = Experiment(
        "recommend", "recommend", {"popular_now": 1, "newest": 1}, "click", period=timedelta(seconds=period_s)
    )
    item = Definition.of(experiment, "running")
    return msgspec.structs.replace(item, splits=tuple(splits), ranges=((0, 10_000),), revision=1)


def test_a_shadow_is_started_and_compared(run: Run) -> None:
    assert "No shadow was asked yet" in run("compare").stdout
    done = run("shadow", "recommend", "newest", "--ramp", "100")
    assert "shadow_newest is running: started, newest in the shadow of recommend, for 100 % of the units" in done.stdout
    address = f"http://127.0.0.1:{os.environ['MILLRACE_SERVICE_PORT']}/v1/recommend"
    assert httpx.post(address, json={"user": "u1"}, timeout=30, verify=PLAIN).json() == {"items": []}
    assert httpx.post(address, json={"user": "u1"}, timeout=30, verify=PLAIN).headers["millrace-fallback"] == "default"
    assert json.loads(run("compare", "--output", "json").stdout) == []


REFUSED = {
    "start recommend newest:1": "Say which goal's rewards are counted",
    "start recommend newest --goal click": "'newest' is no variant",
    "start recommend newest:-1 --goal click": "'newest:-1' is no variant",
    "start recommend newest:1 newest:2 --goal click": "A variant is named twice",
    "start recommend nobody:1 --goal click": "recommend has no implementation 'nobody'",
    "start recommend newest:1 --goal clik": "no goal 'clik'; there are: click",
    "start recommend newest:1 --goal click --ramp 200": "The ramp is a number of per cent",
    "start recommend newest:1 popular_now:1 --goal click --thompson soon": "--thompson: 'soon' is no span of time",
    "start recommend --goal click": "--goal is for a new experiment",
    "start recommend": "There is no experiment 'recommend'",
    "shadow recommend nobody": "recommend has no implementation 'nobody'",
    "ramp recommend 10": "There is no experiment 'recommend'; there are: none.",
    "history a/../x": "is nothing that can be asked",
}


def test_what_cannot_be_is_one_sentence(run: Run) -> None:
    for arguments, message in REFUSED.items():
        assert message in refused(run(*arguments.split())), arguments


def test_another_service_than_that_of_the_settings_is_looked_at(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run("start", "recommend", "popular_now:60", "newest:40", "--goal", "click")
    address = f"http://127.0.0.1:{os.environ['MILLRACE_SERVICE_PORT']}/"
    monkeypatch.setenv("MILLRACE_SERVICE_PORT", "1")
    assert "No models service answers" in refused(run("list"))
    for command in (["list"], ["show"], ["compare"], ["history", "recommend"]):
        done = run(*command, "--to", address)
        assert done.exit_code == 0, done.output
