"""Batch jobs: commands in any language with dependencies and a schedule, run by Dagster.

May import `streams`, `storage` and `schemas`; only this package imports Dagster, and only where jobs run or are looked
at. Start reading at `job.py` (what is declared) and `chain.py` (how jobs hang together), then `run.py` (one run of one
job) and `project.py` (jobs as a Dagster project).
"""

from learners.jobs.chain import Chain
from learners.jobs.declared import read_job, read_jobs
from learners.jobs.errors import JobFailed, JobMissing, JobRefused, JobsMissing
from learners.jobs.job import ARCHIVE, Job

__all__ = ["ARCHIVE", "Chain", "Job", "JobFailed", "JobMissing", "JobRefused", "JobsMissing", "read_job", "read_jobs"]
