"""What the console is given of kept backtests: a file that is none is passed over, as is what cannot be drawn."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from millrace.backtest.candidate import Candidate, Trial
from millrace.backtest.events import Extent
from millrace.backtest.results import Results
from millrace.backtest.trials import PLAN, Kept, NotKept
from serving.console.curve_chart import curve_chart

GOOD = Candidate(
    "rate", {}, "mean absolute error", False, {"mean absolute error": 2.0}, [(10, 3.0), (20, 1.0)], 20, 20, 0.1
)


def begun(below: Path, name: str) -> Kept:
    return Kept.of(below, [Trial(below / "films", "archive", Extent(), "rate")], [name], again=False)


@pytest.mark.parametrize("content", ["", "[1]", "null", "[" * 100_000, '{"trials": []}', '{"trials": "abc"}', "\udcff"])
def test_a_plan_that_is_none_hides_no_other_backtest(tmp_path: Path, content: str) -> None:
    begun(tmp_path, "good").keep(0, [GOOD])
    other = tmp_path / "films" / "other"
    other.mkdir()
    (other / PLAN).write_text(content, errors="surrogateescape")
    gone = tmp_path / "films" / "gone"
    gone.mkdir()
    (gone / PLAN).symlink_to(tmp_path / "nowhere")
    assert [item["done"] for item in Results(tmp_path).results()] == [1]


@pytest.mark.parametrize(
    "wrong", [{"curve": [["a", "b"]]}, {"figures": {"AUC": "high"}}, {"figures": []}, {"events": None}]
)
def test_a_result_that_is_none_hides_its_backtest_alone(tmp_path: Path, wrong: dict[str, object]) -> None:
    begun(tmp_path, "good").keep(0, [GOOD])
    (begun(tmp_path, "other").folder / "0.json").write_text(json.dumps([asdict(GOOD) | wrong]))
    assert len(Results(tmp_path).results()) == 1
    with pytest.raises(NotKept, match="--again begins anew"):
        begun(tmp_path, "other").found(0)


def test_of_a_learner_that_diverged_is_drawn_what_can_be(tmp_path: Path) -> None:
    wild = replace(GOOD, figures={GOOD.measure: float("inf")}, curve=[(10, 2.0), (15, 4.0), (20, float("inf"))])
    begun(tmp_path, "wild").keep(0, [wild, GOOD])
    (found,) = Results(tmp_path).results()
    assert [item["curve"] for item in found["candidates"]] == [[(10, 3.0), (20, 1.0)], [(10, 2.0), (15, 4.0)]]
    assert curve_chart(found["candidates"]) is not None


def test_a_complete_backtest_is_read_again_when_it_has_changed(tmp_path: Path) -> None:
    kept, results = begun(tmp_path, "good"), Results(tmp_path)
    assert [item["done"] for item in results.results()] == [0]
    kept.keep(0, [GOOD])
    (first,) = results.results()
    assert (first["done"], results.results()[0] is first) == (1, True)
    kept.keep(0, [replace(GOOD, predictions=7)])
    os.utime(kept.folder, (0, 0))  # a file system's clock may be too coarse to tell the two
    assert results.results()[0]["candidates"][0]["predictions"] == 7
