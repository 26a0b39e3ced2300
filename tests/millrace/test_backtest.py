"""`millrace backtest` on learners: candidates beside one another, sweeps that are taken up after a kill."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from millrace.backtest.candidate import Trial
from millrace.backtest.events import Extent
from millrace.backtest.picture import line
from millrace.backtest.trials import Kept, run_trials, sweep_of
from millrace.cli import app
from millrace.product import Product, ProductError
from schemas.errors import MillraceError
from tests.waiting import until

EVENTS = """
import millrace as mr

class Click(mr.Event, topic="clicks", key="user"):
    user: str
    item: str
    bought: bool
"""
LEARNERS = """
import numpy as np
import millrace as mr
from .events import Click

PRIOR = 1.0

class Rate:
    def __init__(self) -> None:
        self.yes, self.all = np.zeros(5), np.zeros(5)

class ItemRate(mr.EventLearner[Click]):
    truth = "bought"
    rate = mr.Parameters("item_rate", factory=Rate, merge="sum")

    def predict(self, event):
        at = int(event.item)
        return (self.rate.value.yes[at] + PRIOR) / (self.rate.value.all[at] + 2 * PRIOR)

    def learn(self, event):
        at = int(event.item)
        self.rate.value.yes[at] += event.bought
        self.rate.value.all[at] += 1

class AnyRate(ItemRate):
    rate = mr.Parameters("any_rate", factory=Rate, merge="sum")

    def predict(self, event):
        return (self.rate.value.yes.sum() + PRIOR) / (self.rate.value.all.sum() + 2 * PRIOR)
"""


@pytest.fixture
def product(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Whether an item is bought depends on the item alone."""
    folder, chance = tmp_path / "buying", random.Random(3)
    folder.mkdir()
    (folder / "events.py").write_text(EVENTS)
    (folder / "learners.py").write_text(LEARNERS)
    items = [chance.randrange(5) for _ in range(1_500)]
    events = [
        {"user": f"u{n % 50}", "item": str(item), "bought": chance.random() < item / 6} for n, item in enumerate(items)
    ]
    (tmp_path / "clicks.ndjson").write_text("\n".join(map(json.dumps, events)))
    monkeypatch.setenv("MILLRACE_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    return folder


def backtest(*options: str) -> dict[str, dict[str, float]]:
    """The figures of each candidate."""
    found = CliRunner().invoke(app, ["backtest", "buying", "--from", "clicks.ndjson", "-o", "json", *options])
    assert found.exit_code == 0, found.output
    candidates = json.loads(found.stdout.splitlines()[-1])["candidates"]
    return {"/".join([item["name"], *map(str, item["constants"].values())]): item["figures"] for item in candidates}


def test_who_knows_the_item_foretells_better_and_the_picture_is_drawn(product: Path, tmp_path: Path) -> None:
    [figures] = backtest("--learner", "item_rate", "--plot", "curve.png").values()

    assert figures["log loss"] < 0.6
    assert figures["AUC"] > 0.7
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    printed = CliRunner().invoke(app, ["backtest", "buying", "--from", "clicks.ndjson", "--learner", "any_rate"]).output
    assert "any_rate" in printed
    assert "1,500 predictions" in printed


@pytest.mark.slow
def test_a_sweep_that_is_killed_goes_on_with_what_is_left(product: Path, tmp_path: Path) -> None:
    options = ["--learner", "item_rate", "--sweep", "PRIOR=0.5,1,200", "--processes", "1"]
    command = [sys.executable, "-m", "millrace", "backtest", "buying", "--from", "clicks.ndjson", *options]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    results = tmp_path / "state" / "backtests" / "buying"
    until(lambda: list(results.glob("*/[0-9].json")))
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    done = {file: file.stat().st_mtime_ns for file in results.glob("*/[0-9].json")}

    found = backtest(*options)

    assert sorted(found) == ["item_rate/0.5", "item_rate/1", "item_rate/200"]
    assert list(found)[-1] == "item_rate/200"
    assert found["item_rate/200"]["log loss"] > found["item_rate/0.5"]["log loss"]
    assert {file: file.stat().st_mtime_ns for file in done} == done
    assert len(list(results.glob("*/[0-9].json"))) == 3


@pytest.mark.parametrize("said", ["loading ... ", '{"not": JSON}\n'])
def test_what_a_product_prints_is_no_result_of_a_trial(product: Path, said: str) -> None:
    (product / "learners.py").write_text(f"{LEARNERS}\nprint({said!r}, end='')\n")

    found = run_trials(
        Kept(product.parent, [Trial(product, "clicks.ndjson", Extent(20), "item_rate", {})]), 1, lambda *_: None
    )

    assert [item.name for item in found] == ["item_rate"]


def test_a_constant_is_set_wherever_the_product_uses_it_and_must_be_one_that_it_has(product: Path) -> None:
    (product / "learners.py").write_text(LEARNERS.replace("np.zeros(5), np.zeros(5)", "PRIOR, [PRIOR]"))

    factory = Product.load(product, {"learners.PRIOR": 7}).learners[0].rate.factory  # type: ignore[attr-defined]
    assert (factory().yes, factory().all) == (7, [7])
    assert Product.load(product).learners[0].rate.factory().yes == 1.0  # type: ignore[attr-defined]
    with pytest.raises(ProductError, match="RATE is to be set, and is given one value at the top of no module"):
        Product.load(product, {"RATE": 1})


def test_a_result_that_cannot_be_kept_is_said_all_the_same(product: Path, tmp_path: Path) -> None:
    (tmp_path / "backtests").write_text("in the way")
    command = ["backtest", "buying", "--from", "clicks.ndjson", "--learner", "item_rate", "--output", "json"]
    found = CliRunner().invoke(app, command, env={"MILLRACE_STATE_DIR": str(tmp_path)}, catch_exceptions=False)
    assert (found.exit_code, json.loads(found.stdout)["candidates"][0]["name"]) == (0, "item_rate")
    assert "The console will not show this result" in found.stderr


def test_what_a_learner_raises_is_told_with_the_event_and_its_own_line(product: Path) -> None:
    text = LEARNERS.replace(
        "        self.rate.value.all[at] += 1", "        self.rate.value.all[at] += 1 / (event.user != 'u44')"
    )
    (product / "learners.py").write_text(text)
    command = ["backtest", "buying", "--from", "clicks.ndjson", "--learner", "item_rate"]
    for options in ([], ["--sweep", "PRIOR=1,2"]):  # here, and in processes of their own
        found = CliRunner().invoke(app, [*command, *options])

        assert isinstance(found.exception, MillraceError)
        assert str(found.exception).startswith(
            "Learner item_rate raised on event 45 of clicks.ndjson: ZeroDivisionError"
        )
        assert "in buying/learners.py:23: self.rate.value.all[at] += 1 / (event.user != 'u44')" in str(found.exception)


def test_a_sweep_of_too_many_combinations_is_refused_before_anything_runs(product: Path) -> None:
    values = ",".join(map(str, range(1_000)))
    with pytest.raises(
        MillraceError, match="makes 2,000,000 trials, each a pass over all events; at most 1,000 are run"
    ):
        sweep_of([f"PRIOR={values}", f"RATE={values}"], learners=2)


def test_a_sweep_is_every_combination_of_its_values() -> None:
    assert sweep_of(["RATE=0.5,1", "learners.KIND=a"]) == [
        {"RATE": 0.5, "learners.KIND": "a"},
        {"RATE": 1, "learners.KIND": "a"},
    ]
    assert sweep_of([]) == [{}]
    for wrong in (["RATE"], ["RATE="], ["2=3"], ["A=1", "A=2"]):
        with pytest.raises(MillraceError, match="--sweep"):
            sweep_of(wrong)


def test_a_curve_is_a_line_of_blocks_on_a_scale_that_candidates_share() -> None:
    assert line([(at, at) for at in range(8)], 0, 7) == "▁▂▃▄▅▆▇█"
    assert len(line([(at, 1.0) for at in range(100)], 0, 2)) == 24
    assert line([], 0, 1) == ""
