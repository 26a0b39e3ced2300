"""A job run now, in this process, and recorded like any other run."""

from __future__ import annotations

import dagster as dg

from learners.jobs.chain import Chain
from learners.jobs.orphans import here
from learners.jobs.project import key_of, project, tags_of
from learners.jobs.run import Around


def run_now(chain: Chain, around: Around, instance: dg.DagsterInstance, name: str) -> tuple[str, bool]:
    """Run one job, with its retries. Blocks until it has ended. Returns the run, and whether it succeeded.

    What it comes after is not waited for: who asks for a run wants it now.

    Raises:
        JobMissing: there is no such job.
    """
    job = chain.job(name)
    if job.pool:
        instance.event_log_storage.initialize_concurrency_limit_to_default(job.pool)
    whole = project(chain, around).resolve_implicit_global_asset_job_def()
    result = whole.execute_in_process(
        instance=instance,
        asset_selection=[key_of(around.product, name)],
        tags={**tags_of(around.product, job), **here(), "millrace/by": around.made_by},
        raise_on_error=False,
    )
    return result.run_id, result.success
