"""When jobs run by themselves: asked of Dagster's own conditions, at times that the test chooses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from learners.jobs import ARCHIVE, Chain, Job
from learners.jobs.project import archive_key, key_of, project
from tests.learners.jobs.conftest import Workshop

START = datetime(2026, 11, 26, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Clock:
    """Evaluates the conditions of some jobs again and again."""

    def __init__(self, workshop: Workshop, *jobs: Job) -> None:
        self.instance = dg.DagsterInstance.ephemeral()
        self._product, self._names = workshop.product, [job.name for job in jobs]
        self._defs = project(Chain.of(jobs), workshop.around)
        self._cursor: object = None

    def updated(self, name: str) -> None:
        """A job has succeeded, or a day more of an archive is complete."""
        topic = name.removeprefix(ARCHIVE)
        key = key_of(self._product, name) if topic == name else archive_key(topic)
        self.instance.report_runless_asset_event(dg.AssetMaterialization(key))

    def due(self, hours: float) -> list[str]:
        """Which jobs are asked to run, so many hours after the start."""
        found = dg.evaluate_automation_conditions(
            self._defs,
            self.instance,
            evaluation_time=START + hours * HOUR,
            cursor=self._cursor,  # type: ignore[arg-type]
        )
        self._cursor = found.cursor
        return [name for name in self._names if found.get_num_requested(key_of(self._product, name))]


@pytest.mark.filterwarnings("ignore::Warning")
def test_each_runs_when_its_time_has_come_and_what_it_comes_after_is_newer(workshop: Workshop) -> None:
    clock = Clock(
        workshop,
        Job(name="nightly", command=["true"], cron="0 3 * * *"),
        Job(name="behind", command=["true"], after=["nightly"]),
        Job(name="both", command=["true"], after=["behind", "archive.likes"], cron="0 3 * * *"),
        Job(name="asked", command=["true"]),
    )

    assert clock.due(0) == []
    assert clock.due(2.1) == ["nightly"]  # 03:06
    clock.updated("nightly")
    assert clock.due(2.2) == ["behind"]
    assert clock.due(2.3) == []
    clock.updated("behind")
    assert clock.due(2.4) == []  # both's time has come, and the archive has not
    clock.updated("archive.likes")
    assert clock.due(9) == ["both"]
    assert clock.due(9.1) == []
    clock.updated("archive.likes")
    clock.updated("behind")
    assert clock.due(10) == []  # it is newer, and its time has not come
    assert clock.due(26.1) == ["nightly", "both"]


@pytest.mark.filterwarnings("ignore::Warning")
def test_a_job_that_never_ran_runs_where_what_it_comes_after_was_there_before_the_schedule(workshop: Workshop) -> None:
    clock = Clock(workshop, Job(name="first", command=["true"]), Job(name="second", command=["true"], after=["first"]))
    clock.updated("first")

    assert clock.due(0) == ["second"]
    assert clock.due(1) == []
