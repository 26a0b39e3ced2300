"""Where a backtest's events come from: the archive and the log, as they were taken."""

from __future__ import annotations

import math
import time
import uuid
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from benchmarks.process import millrace_process
from millrace.archive import shelf_of
from millrace.backtest.candidate import Candidate, Trial
from millrace.backtest.events import EventsUnreadable, Extent, read_events
from millrace.backtest.learner import fold_learner
from millrace.platform import Platform
from millrace.product import Product
from millrace.settings import Settings
from schemas import Event
from tests.waiting import until

PRODUCT = """
import millrace as mr

class Note(mr.Event, topic="{topic}", key="user", archive=True):
    user: str
    number: int
"""
LEARNERS = """
import millrace as mr

class Notes(mr.FrameLearner):
    truth = "number % 2 = 1"
    notes = mr.stream("{topic}")
    counts = mr.Counters("notes_of")

    def predict(self, batch):
        return [0.5] * batch.rows

    def learn(self, batch):
        self.counts.add(batch.frame, key="user")

class Newest(Notes):
    truth = "number"
    notes = mr.stream("{topic}", order="total")
    counts = mr.Counters("newest")
    last = -1

    def predict(self, batch):
        return [self.last + 1 + at for at in range(batch.rows)]

    def learn(self, batch):
        self.last = batch.frame["number"][-1] if batch.rows else self.last
        self.counts.add(batch.frame, key="user")
"""


def numbers(events: list[Event]) -> list[int]:
    return [event.number for event in events]  # type: ignore[attr-defined]


@pytest.mark.server
def test_archived_and_fresh_events_are_read_in_the_order_in_which_the_log_took_them(
    kafka: str, registry_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic, folder = f"notes-{uuid.uuid4().hex[:8]}", tmp_path / "notes"
    folder.mkdir()
    (folder / "events.py").write_text(PRODUCT.format(topic=topic))
    (folder / "learners.py").write_text(LEARNERS.format(topic=topic))
    product = Product.load(folder)
    settings = Settings(
        kafka=kafka, registry_url=registry_url, archive_url=str(tmp_path / "kept"), archive_seconds=0, partitions=3
    )
    for name in ("kafka", "registry_url", "archive_url"):
        monkeypatch.setenv(f"MILLRACE_{name.upper()}", getattr(settings, name))
    with closing(Platform(settings)) as platform:
        platform.prepare(product)

        def emit(first: int, last: int) -> None:
            """Each in its own millisecond of the log, whatever its partition."""
            for number in range(first, last):
                now = time.time_ns() // 1_000_000
                until(lambda now=now: time.time_ns() // 1_000_000 > now)  # type: ignore[misc]
                platform.producer.send(product.event_types[topic], {"user": f"u{number % 7}", "number": number})
                platform.producer.flush()

        emit(0, 30)
        with millrace_process(tmp_path, settings, "archive", "run"):
            table = shelf_of(settings).table(topic)
            until(lambda: table.look() and table.size()["rows"] == 30)
        between = datetime.now(UTC)
        emit(30, 45)

        assert numbers(read_events(product, "archive", topic)) == list(range(45))
        assert numbers(read_events(product, "kafka", topic)) == list(range(45))
        assert numbers(read_events(product, "archive", topic, Extent(limit=7))) == list(range(7))
        assert numbers(read_events(product, "archive", topic, Extent(until=between))) == list(range(30))

        def folded(extent: Extent, learner: str = "notes") -> Candidate:
            trial = Trial(folder, "archive", extent, learner)
            return fold_learner(product, trial, settings, lambda done, total: None)[1]

        found = folded(Extent())
        assert (found.events, found.predictions, found.rows) == (30, 30, {"counters/notes_of": 7})
        assert found.figures["log loss"] == pytest.approx(math.log(2))
        assert folded(Extent(), "newest").figures["mean absolute error"] == 0.0  # all in the order of the log's times
        assert (folded(Extent(limit=7)).events, folded(Extent(since=between)).events) == (7, 0)
    with pytest.raises(EventsUnreadable, match="are of an archive"):
        read_events(product, "dataset", topic, Extent(since=between))
    with pytest.raises(EventsUnreadable, match="no file"):
        read_events(product, str(tmp_path / "none.csv"), topic)
