"""Looks at jobs: what Dagster has recorded of them. Every call blocks for reads of its database."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from learners.jobs.board import STATES, Board, Line, Run
from learners.jobs.chain import Chain
from learners.jobs.errors import JobMissing
from learners.jobs.job import ARCHIVE, Job
from learners.jobs.orphans import end_orphans
from learners.jobs.project import JOB, PRODUCT, archive_key, key_of, next_times, reason

SHOWN = 10
"""Runs of a job that are looked at: the newest."""
_LONGEST = 500


def board(chain: Chain, product: str, instance: dg.DagsterInstance) -> Board:
    """All jobs of a product as they are now."""
    now = time.time()
    end_orphans(instance)
    lines = [_line(job, product, instance, now) for job in chain.jobs.values()]
    return Board(product, now, _sign_of_life(instance), lines, chain.columns(), list(chain.edges()))


def runs(product: str, instance: dg.DagsterInstance, job: str | None = None, limit: int = SHOWN) -> list[Run]:
    """The newest runs of a product's jobs, or of one."""
    tags = {PRODUCT: product} if job is None else {PRODUCT: product, JOB: job}
    return [_run(record, instance) for record in instance.get_run_records(dg.RunsFilter(tags=tags), limit=limit)]


def find_run(product: str, instance: dg.DagsterInstance, name: str) -> Run:
    """A run by its name or the beginning of it; of a job's name its newest run.

    Raises:
        JobMissing: there is none.
    """
    newest = runs(product, instance, name, 1)
    if newest:
        return newest[0]
    found = [run for run in runs(product, instance, limit=1000) if len(name) >= 4 and run.run.startswith(name)]
    if len(found) != 1:
        raise JobMissing(
            f"{'Several runs begin' if found else 'No job and no run of ' + product + ' begins'} with {name!r}."
        )
    return found[0]


def _line(job: Job, product: str, instance: dg.DagsterInstance, now: float) -> Line:
    coming = next_times(job, datetime.fromtimestamp(now, UTC))
    return Line(
        job=job.name,
        command=" ".join(job.command),
        cron=job.cron,
        timezone=job.timezone,
        after=list(job.after),
        loads=list(job.loads),
        runs=runs(product, instance, job.name),
        next=coming[0].timestamp() if coming else None,
        waits=_waits(job, product, instance),
    )


def _waits(job: Job, product: str, instance: dg.DagsterInstance) -> list[str]:
    """What the job comes after and is not newer than its own last success."""
    keys = {name: key_of(product, name) for name in job.jobs}
    keys |= {ARCHIVE + topic: archive_key(topic) for topic in job.topics}
    if not keys:
        return []
    own = _updated(instance, [key_of(product, job.name)])
    others = _updated(instance, list(keys.values()))
    mine = own.get(key_of(product, job.name), 0.0)
    return [name for name, key in keys.items() if others.get(key, 0.0) <= mine]


def _updated(instance: dg.DagsterInstance, keys: Sequence[dg.AssetKey]) -> dict[dg.AssetKey, float]:
    found: Mapping[dg.AssetKey, Any] = instance.get_latest_materialization_events(keys)
    return {key: event.timestamp for key, event in found.items() if event is not None}


def _run(record: Any, instance: dg.DagsterInstance) -> Run:
    found = record.dagster_run
    state = STATES.get(found.status.value, "running")
    tags = found.tags
    return Run(
        run=found.run_id,
        job=tags.get(JOB, ""),
        state=state,
        began=record.start_time or None,
        ended=record.end_time or None,
        why=_why(found.run_id, instance) if state == "failed" else "",
        figures=_figures(found.run_id, instance) if state == "succeeded" else {},
        by=tags.get("millrace/by", "schedule"),
    )


def _why(run: str, instance: dg.DagsterInstance) -> str:
    found = instance.get_records_for_run(run, of_type=dg.DagsterEventType.STEP_FAILURE).records
    for record in reversed(found):
        event = record.event_log_entry.dagster_event
        data = event.step_failure_data if event is not None else None
        if data is not None:
            return reason(data)[:_LONGEST]
    return "Its process ended without a word."


def _figures(run: str, instance: dg.DagsterInstance) -> dict[str, Any]:
    found = instance.get_records_for_run(run, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION).records
    if not found or found[-1].asset_materialization is None:
        return {}
    metadata = found[-1].asset_materialization.metadata
    return {name: value.value for name, value in metadata.items() if isinstance(value.value, str | int | float)}


def _sign_of_life(instance: dg.DagsterInstance) -> float | None:
    beats = [status.last_heartbeat for status in instance.get_daemon_statuses().values() if status.last_heartbeat]
    return max((beat.timestamp for beat in beats), default=None)
