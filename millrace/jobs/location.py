"""What Dagster's processes load: the jobs of the products that the schedule names, by the settings of its folder."""

from __future__ import annotations

import os
from pathlib import Path

from learners.jobs.project import merged, project
from millrace.jobs.around import around
from millrace.jobs.product_jobs import ProductJobs
from millrace.jobs.schedule import FOLDERS
from millrace.settings import Settings

_settings = Settings.load()
_every = [ProductJobs.load(Path(folder)) for folder in os.environ[FOLDERS].split(os.pathsep)]
defs = merged([project(jobs.chain, around(jobs, _settings)) for jobs in _every])
