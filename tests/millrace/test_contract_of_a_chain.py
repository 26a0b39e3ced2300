"""`millrace check` tries a learner that reads what another emits on what that one emits."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from millrace.cli import app
from millrace.contract import check_product
from millrace.product import ProductError

EVENTS = """
import millrace as mr

class Click(mr.Event, topic="clicks", key="user"):
    user: str
    item: str

class Visit(mr.Event, topic="visits", key="item"):
    item: str
    user: str
"""
LEARNERS = """
import millrace as mr
from .events import Click, Visit

class Careless(mr.FrameLearner):  # counts batches
    visits = mr.stream("visits")
    batches = mr.Counters("batches")

    def learn(self, batch):
        self.batches.add_one("all")

class Visits(mr.EventLearner[Click]):
    visits = mr.emit(Visit)

    def learn(self, event):
        self.visits.emit_one(Visit(event.item, event.user))

class Clicked(mr.EventLearner[Visit]):
    clicked = mr.Counters("clicked")

    def learn(self, event):
        self.clicked.add_one(event.item)
"""
DATASET = """
from .events import Click

def events(shifted=True):
    return [Click(f"u{number % 3}", f"i{number % 5}") for number in range(100)]
"""


def test_a_reader_of_emitted_events_is_tried_on_them(tmp_path: Path) -> None:
    folder = tmp_path / "chain_of_two"
    folder.mkdir()
    for name, text in (("events", EVENTS), ("learners", LEARNERS)):
        (folder / f"{name}.py").write_text(text)
    with pytest.raises(ProductError, match="that yields Click in order"):
        list(check_product(folder))
    (folder / "dataset.py").write_text(DATASET)
    found = {item.learner: item.problems for item in check_product(folder)}
    assert {name for name, broken in found.items() if broken} == {"careless"}
    assert any("'count'" in problem for problem in found["careless"])


def test_a_learner_of_whose_topic_there_is_no_event_is_not_said_to_hold(tmp_path: Path) -> None:
    folder = tmp_path / "chain_of_none"
    folder.mkdir()
    for name, text in (
        ("events", EVENTS),
        ("learners", LEARNERS),
        ("dataset", "def events(shifted=True):\n    return []"),
    ):
        (folder / f"{name}.py").write_text(text)
    done = CliRunner().invoke(app, ["check", str(folder)])
    assert "holds" not in done.stdout
    assert "clicked: not tried: the data set gives no event of visits" in done.stdout
