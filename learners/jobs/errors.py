"""What can go wrong with jobs.

MillraceError
└── LearnerError
    ├── JobRefused      a job that cannot run as it is declared
    ├── JobMissing      there is no job, or no run, of that name
    ├── JobFailed       a run has failed; what its storages serve is as it was
    └── JobsMissing     the extra `jobs` is not installed
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from learners.errors import LearnerError


class JobRefused(LearnerError):
    """A job cannot run as it is declared; the message says what to change."""


class JobMissing(LearnerError):
    """There is no job, or no run, of that name."""


class JobFailed(LearnerError):
    """A run of a job has failed; the message says why. Nothing that is served has changed."""


class JobsMissing(LearnerError):
    """Dagster, which runs jobs, is not installed."""


@contextmanager
def needing_dagster() -> Iterator[None]:
    """Raises `JobsMissing` where what is imported inside is not there."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("dagster", "dagster_pipes", "dagster_shared"):
            raise
        raise JobsMissing("Jobs need the extra `jobs`; pip install 'millrace[jobs]', or `make jobs` here.") from error
