"""The jobs of a product as a Dagster project: an asset for each, with its dependencies, retries and when it runs.

When a job runs is one condition of Dagster's own (declarative automation), which its daemon looks at:

    cron alone        a time of the cron has passed since it last ran
    after alone       each of those is newer than its last run
    both              both, and so at the first such time at which the rest holds, or later as soon as it does

and it does not run beside itself, nor while one of those that it comes after runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import reduce
from itertools import islice
from operator import and_
from typing import Any

import dagster as dg
from dagster._utils.schedules import cron_string_iterator, is_valid_cron_string

from learners.jobs.chain import Chain
from learners.jobs.errors import JobFailed, JobRefused
from learners.jobs.folder import RunFolder
from learners.jobs.job import ARCHIVE, Job
from learners.jobs.orphans import end_orphans
from learners.jobs.pipes import Messages
from learners.jobs.run import Around, run_job

JOB, PRODUCT = "millrace/job", "millrace/product"
"""Tags of a run."""
EVERY = 10
"""Seconds between two looks at what a job waits for."""
_SLACK = 120.0
"""Seconds beyond all tries after which the daemon ends a run that hangs elsewhere, such as in an export."""

Condition = Any
"""A `dg.AutomationCondition`; its generic parameter is Dagster's own matter."""


def project(chain: Chain, around: Around) -> dg.Definitions:
    """All that Dagster is told.

    Raises:
        JobRefused: a cron cannot be.
    """
    for job in chain.jobs.values():
        must_come(job)
    jobs = [_asset(job, around) for job in chain.jobs.values()]
    outside = [dg.AssetSpec(archive_key(topic)) for topic in chain.topics]
    sensors: list[Any] = [_sensor(job, around.product) for job in chain.jobs.values() if job.scheduled]
    if chain.topics:
        sensors.append(_archive_sensor(chain.topics, around))
    sensors += [_alert_sensor(around), _orphan_sensor(around)]
    return dg.Definitions(assets=[*outside, *jobs], sensors=sensors, executor=dg.in_process_executor)


def merged(projects: Sequence[dg.Definitions]) -> dg.Definitions:
    """Several products as one project; a topic's archive that two of them wait for is one."""
    return dg.Definitions.merge(*projects)


def key_of(product: str, job: str) -> dg.AssetKey:
    """The asset that a job is."""
    return dg.AssetKey([product, job])


def archive_key(topic: str) -> dg.AssetKey:
    """The asset that a topic's archive is."""
    return dg.AssetKey([ARCHIVE.rstrip("."), topic])


def tags_of(product: str, job: Job) -> dict[str, str]:
    """The tags of each run of a job."""
    waits = sum(job.retry_after.total_seconds() * 2**attempt for attempt in range(job.retries))
    longest = job.timeout.total_seconds() * (1 + job.retries) + waits + _SLACK
    return {JOB: job.name, PRODUCT: product, "dagster/max_runtime": str(round(longest))}


def must_come(job: Job) -> None:
    """Check that the times of a job's cron come.

    Raises:
        JobRefused: it is no cron, or names a day that no month has, or its time zone is none.
    """
    if not job.cron:
        return
    if not is_valid_cron_string(job.cron):
        raise JobRefused(
            f"The job {job.name} has the cron {job.cron!r}, which never comes; write five fields: minute, hour, day, "
            'month, day of the week, such as "0 3 * * *".'
        )
    try:
        next_times(job, datetime.now(UTC))
    except Exception as error:  # of the library that knows time zones, which has several
        raise JobRefused(
            f"The job {job.name} has the cron {job.cron!r} in {job.timezone!r}, which never comes: {error}. A time "
            'zone is written like "Europe/Vienna".'
        ) from error


def next_times(job: Job, after: datetime, count: int = 1) -> list[datetime]:
    """The next times of a job's cron; none where it has no cron."""
    if not job.cron:
        return []
    return list(islice(cron_string_iterator(after.timestamp(), job.cron, job.timezone), count))


def _asset(job: Job, around: Around) -> dg.AssetsDefinition:
    deps = [archive_key(topic) for topic in job.topics] + [key_of(around.product, name) for name in job.jobs]
    retry = dg.RetryPolicy(
        max_retries=job.retries, delay=job.retry_after.total_seconds(), backoff=dg.Backoff.EXPONENTIAL
    )

    def ran(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
        return _ran(context, job, around)

    ran.__annotations__ = {}  # Dagster looks at these, and cannot read them as the texts that they are here
    return dg.asset(
        name=job.name,
        key_prefix=[around.product],
        deps=deps,
        retry_policy=retry if job.retries else None,
        automation_condition=condition(job, around.product),
        pool=job.pool or None,
        op_tags=dict(tags_of(around.product, job)),
        description=" ".join(job.command)[:500],
    )(ran)


def _ran(context: dg.AssetExecutionContext, job: Job, around: Around) -> dg.MaterializeResult[Any]:
    """One try. What Dagster hears of a failure is one sentence, and no stack of ours."""
    messages = Messages(RunFolder.of(around.home, context.run.run_id), f"{around.product}/{job.name}")
    found: dict[str, Any] = {}
    try:
        with dg.open_pipes_session(context.op_execution_context, dg.PipesEnvContextInjector(), messages) as session:
            told = session.get_bootstrap_env_vars()
            for name, value in run_job(
                job, around, context.run.run_id, context.op_execution_context.retry_number + 1, told
            ):
                found[name] = value
    except JobFailed as error:
        raise dg.Failure(str(error), allow_retries=True) from error
    for result in session.get_results(implicit_materializations=False):
        if isinstance(result, dg.MaterializeResult):
            found = {**(result.metadata or {}), **found}
    return dg.MaterializeResult(metadata=found)


def condition(job: Job, product: str) -> Condition:
    """When a job runs; None = when somebody asks for it."""
    if not job.scheduled:
        return None
    is_so: Any = dg.AutomationCondition
    parts: list[Condition] = [~is_so.in_progress()]
    if job.cron:
        parts.append(is_so.cron_tick_passed(job.cron, job.timezone).since_last_handled())
    keys = [archive_key(topic) for topic in job.topics] + [key_of(product, name) for name in job.jobs]
    parts += [_newer(dg.AssetSelection.assets(key)) for key in keys]
    if keys:
        parts.append(~is_so.any_deps_in_progress())
    return reduce(and_, parts)


def _newer(other: dg.AssetSelection) -> Condition:
    """Whether what a job comes after has been updated since the job was last asked for or updated; where the job has
    never succeeded, any update counts that was there when the schedule first saw the job."""
    is_so: Any = dg.AutomationCondition
    moved = is_so.any_deps_match(is_so.newly_updated()).allow(other)
    there = is_so.any_deps_match(~is_so.missing()).allow(other)
    first = is_so.initial_evaluation() & is_so.missing() & there
    return (moved | first).since(is_so.newly_requested() | is_so.newly_updated())


def _sensor(job: Job, product: str) -> dg.AutomationConditionSensorDefinition:
    """One for each job, so that a run is a run of one job."""
    return dg.AutomationConditionSensorDefinition(
        f"{product}__{job.name}",
        target=dg.AssetSelection.assets(key_of(product, job.name)),
        run_tags=tags_of(product, job),
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=EVERY,
    )


def _archive_sensor(topics: Sequence[str], around: Around) -> dg.SensorDefinition:
    """Says of each topic's archive when a day more of it is complete."""

    def look(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        known = dict(line.split("=", 1) for line in (context.cursor or "").splitlines())
        fresh = list(_fresh_days(topics, known, around, context))
        events = [
            dg.AssetMaterialization(archive_key(topic), metadata={"day": day}, tags={"dagster/data_version": day})
            for topic, day in fresh
        ]
        cursor = "\n".join(f"{topic}={day}" for topic, day in {**known, **dict(fresh)}.items())
        return dg.SensorResult(asset_events=events, cursor=cursor)

    return dg.SensorDefinition(
        name=f"{around.product}__archive",
        evaluation_fn=look,
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=EVERY,
    )


def _fresh_days(
    topics: Sequence[str], known: dict[str, str], around: Around, context: dg.SensorEvaluationContext
) -> Iterator[tuple[str, str]]:
    for topic in topics:
        try:
            day = around.newest_day(topic)
        except Exception as error:
            context.log.warning(f"The archive of {topic} cannot be looked at: {error}")
            continue
        if day is not None and day > known.get(topic, ""):
            yield topic, day


def _alert_sensor(around: Around) -> dg.SensorDefinition:
    """Tells of each run that has failed, also of those whose process was killed, once the daemon sees it."""

    def tell(context: dg.RunFailureSensorContext) -> None:
        tags = context.dagster_run.tags
        if tags.get(PRODUCT) == around.product:
            around.alert(around.product, tags.get(JOB, ""), context.dagster_run.run_id, why(context))

    made = dg.run_failure_sensor(
        name=f"{around.product}__alerts",
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=EVERY,
    )
    return made(tell)


def _orphan_sensor(around: Around) -> dg.SensorDefinition:
    """Ends runs by hand whose process was killed."""

    def look(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        return dg.SkipReason(f"{end_orphans(context.instance)} runs had no process any more.")

    return dg.SensorDefinition(
        name=f"{around.product}__orphans",
        evaluation_fn=look,
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=3 * EVERY,
    )


def why(context: dg.RunFailureSensorContext) -> str:
    """Why a run has failed, in a sentence."""
    for event in context.get_step_failure_events():
        return reason(event.step_failure_data)
    return context.failure_event.message or "It has failed."


def reason(failure: Any) -> str:
    """The same of what Dagster keeps of the step that failed."""
    if failure.user_failure_data is not None and failure.user_failure_data.description:
        return str(failure.user_failure_data.description)
    error = failure.error
    while error is not None and error.cause is not None:
        error = error.cause
    return "It has failed." if error is None else str(error.message).strip()
