"""What the schedule sees by itself: days of an archive that are complete, and runs that have failed."""

from __future__ import annotations

from typing import Any

import dagster as dg

from learners.jobs import Chain, Job
from learners.jobs.project import archive_key, project
from tests.learners.jobs.conftest import Workshop


def sensor(workshop: Workshop, ending: str, *jobs: Job) -> dg.SensorDefinition:
    """One of the project's sensors."""
    found = project(Chain.of(jobs), workshop.around).resolve_sensor_def(f"{workshop.product}__{ending}")
    assert isinstance(found, dg.SensorDefinition)
    return found


def test_each_complete_day_of_an_archive_is_said_once(workshop: Workshop) -> None:
    look = sensor(workshop, "archive", Job(name="train", command=["true"], after=["archive.likes", "archive.views"]))

    def said(cursor: str | None) -> tuple[list[tuple[dg.AssetKey, Any]], str | None]:
        with dg.build_sensor_context(instance=workshop.instance, cursor=cursor) as context:
            found = look.evaluate_tick(context)
        days = [(event.asset_key, event.metadata["day"].value) for event in found.asset_events]
        return days, found.cursor

    assert said(None)[0] == []
    workshop.days["likes"] = "2026-11-25"
    first, cursor = said(None)
    assert first == [(archive_key("likes"), "2026-11-25")]
    workshop.days["views"] = "2026-11-25"
    assert said(cursor)[0] == [(archive_key("views"), "2026-11-25")]
    assert said(said(cursor)[1])[0] == []


def test_a_run_that_failed_is_told_with_why(workshop: Workshop) -> None:
    job = Job(name="train", command=["false"])
    run = workshop.run(job)
    [record] = workshop.instance.get_run_records(dg.RunsFilter(run_ids=[run.run]))
    failure = workshop.instance.get_records_for_run(run.run, of_type=dg.DagsterEventType.RUN_FAILURE).records[0]
    assert failure.event_log_entry.dagster_event is not None
    tell = sensor(workshop, "alerts", job)

    tell(
        dg.build_run_status_sensor_context(
            sensor_name=tell.name,
            dagster_event=failure.event_log_entry.dagster_event,
            dagster_instance=workshop.instance,
            dagster_run=record.dagster_run,
        ).for_run_failure()
    )

    assert workshop.alerts == [(workshop.product, "train", run.run, "false ended with code 1; its log says more.")]
