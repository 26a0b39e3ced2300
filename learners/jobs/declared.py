"""Jobs as a file declares them: `jobs.toml`, one table for each."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from learners.jobs.errors import JobRefused
from learners.jobs.job import LAST_RUN, Job
from schemas.duration import duration

_TEXTS = ("cron", "timezone", "pool")
_LISTS = ("command", "after")
_TABLES = ("env", "exports", "loads")
_TIMES = ("timeout", "retry_after")
KEYS = (*_LISTS, "cron", "timezone", "retries", *_TIMES, "env", "pool", "exports", "since", "loads")
"""What the table of a job may say."""


def read_jobs(file: Path) -> list[Job]:
    """The jobs of a `jobs.toml`.

    Raises:
        JobRefused: it is no valid file of jobs; the message names file, job and key.
    """
    try:
        return read_text(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, JobRefused) as error:
        raise JobRefused(f"{file}: {error}") from error


def read_text(text: str) -> list[Job]:
    """The jobs of such a file's text. Raises as `read_jobs` does."""
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise JobRefused(f"It is not valid TOML: {error}.") from error
    further = [name for name in found if name != "jobs"]
    tables = found.get("jobs", {})
    if further or not isinstance(tables, Mapping):
        raise JobRefused(f"Nobody reads {further[0] if further else 'jobs'!r} here; write [jobs.<a name>].")
    return [read_job(name, table) for name, table in tables.items()]


def read_job(name: str, table: Any) -> Job:
    """One job as its table declares it. Raises as `read_jobs` does."""
    if not isinstance(table, Mapping):
        raise JobRefused(f"{name} is no table; write [jobs.{name}].")
    unknown = [key for key in table if key not in KEYS]
    if unknown:
        raise JobRefused(f"Nobody reads {unknown[0]!r} of the job {name}; there are {', '.join(KEYS)}.")
    if "command" not in table:
        raise JobRefused(f'The job {name} has no command; write command = ["Rscript", "train.R"].')
    return Job(name=name, **{key: _value(name, key, value) for key, value in table.items()})


def _value(job: str, key: str, value: Any) -> Any:
    right = {
        **dict.fromkeys(_TEXTS, (isinstance(value, str), "a text")),
        **dict.fromkeys(_LISTS, (_texts(value), "a list of texts")),
        **dict.fromkeys(_TABLES, (isinstance(value, Mapping) and _texts([*value.values()]), "a table of texts")),
        "retries": (isinstance(value, int) and not isinstance(value, bool), "a number"),
    }
    if key in right and not right[key][0]:
        raise JobRefused(f"{key} of the job {job} is no {right[key][1].removeprefix('a ')}.")
    if key not in (*_TIMES, "since") or (key == "since" and value == LAST_RUN):
        return value
    try:
        return duration(value)
    except ValueError as error:
        raise JobRefused(f"{key} of the job {job}: {error}.") from error


def _texts(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str) and all(isinstance(item, str) for item in value)
