"""`millrace status` and `/metrics` say how far learners have come in event time, and how many events were late."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from millrace.cli import app
from serving.event_time_metrics import event_time_text
from serving.measurements.measurements import Measurements
from storage import Address, Catalogue, Memory, MemoryReads, Technology
from storage.event_times import event_times
from storage.formats.watermark import Watermark
from storage.technologies import opened
from streams.retention import Retention
from tests.storage.form_stage import START, FormStage

START_MS = int(START.timestamp() * 1000)


def fold_some(technology: Technology) -> None:
    """Two units of a learner, whose events may be a second out of order: one has seen three late ones, one none."""
    form = Watermark("hourly_event_time", allowed_ms=1_000)
    for partition, times in ((0, [5_000, 3_999, 1, 4_000, 2]), (1, [60_000])):
        unit = FormStage(technology, learner="hourly", partition=partition)
        unit.describe(form)
        form.bind(unit.session).late(np.array(times) + START_MS, np.full(len(times), fill_value=True))
        unit.commit()
    FormStage(technology, learner="hourly", partition=2)  # has folded nothing


@pytest.mark.server
def test_status_says_the_oldest_watermark_of_a_learner_and_all_its_late_events(
    kafka: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"sqlite:///{tmp_path / 'rows.db'}"
    for name, value in {"KAFKA": kafka, "RELATIONAL_URL": address, "REDIS_URL": "redis://127.0.0.1:9"}.items():
        monkeypatch.setenv(f"MILLRACE_{name}", value)
    monkeypatch.chdir(tmp_path)
    with closing(opened("relational", address)) as technology:
        fold_some(technology)
    at = (START + timedelta(seconds=4)).isoformat()
    shown = CliRunner().invoke(app, ["status"])
    assert f"hourly@1 has folded clicks up to {at}; late events: 3" in shown.stdout, shown.output
    found = json.loads(CliRunner().invoke(app, ["status", "--output", "json"]).stdout)["event_time"]
    assert found["learners"] == [{"learner": "hourly@1", "topic": "clicks", "watermark": at, "late": 3}]


class NoTopics:
    """Kafka without topics."""

    def names(self) -> list[str]:
        return []

    def ends(self, names: object) -> dict[tuple[str, int], tuple[int, int]]:
        return {}

    def retentions(self, names: object) -> dict[str, Retention]:
        return {}


async def test_metrics_say_each_units_watermark_and_late_events() -> None:
    memory = Memory()
    fold_some(memory)
    measurements = Measurements(NoTopics(), Catalogue({"memory": MemoryReads(memory)}), dict, tuple)
    assert event_time_text(measurements.flow()) == ""
    for _ in range(2):  # the first sample tells where storages are, the second reads them
        await measurements.sample()
        measurements._times._every = 0.0
    await measurements._times.refresh(5.0)
    await measurements.sample()
    lines = event_time_text(measurements.flow()).splitlines()
    assert 'millrace_watermark_seconds{learner="hourly",topic="clicks",partition="1"} 1767225659.0' in lines
    assert 'millrace_late_events_total{learner="hourly",topic="clicks",partition="0"} 3' in lines
    assert 'millrace_late_events_total{learner="hourly",topic="clicks",partition="1"} 0' in lines
    assert len(lines) == 8


async def test_a_row_that_makes_no_sense_hides_no_other_learner() -> None:
    memory = Memory()
    fold_some(memory)
    other = FormStage(memory, learner="damaged")
    other.describe(Watermark("damaged_event_time", allowed_ms=1))
    other.session.writes.puts[Address("records/damaged_event_time", "0")] = b"\xff"
    other.commit()
    catalogue = Catalogue({"memory": MemoryReads(memory)})
    await catalogue.refresh()
    assert {time.unit.learner for time in await event_times(catalogue)} == {"hourly"}
