"""Jobs as people look at them: each with its runs, how long they usually take, and what it waits for. Plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

STATES = {
    "SUCCESS": "succeeded",
    "FAILURE": "failed",
    "CANCELED": "stopped",
    "CANCELING": "running",
    "STARTED": "running",
    "STARTING": "running",
    "NOT_STARTED": "waiting",
    "QUEUED": "waiting",
    "MANAGED": "running",
}
"""Dagster's words for the state of a run, and ours."""


@dataclass(frozen=True)
class Run:
    """One run of a job.

    Attributes:
        state: succeeded, failed, stopped, running or waiting.
        began, ended: seconds since 1970; None = not yet.
        why: of one that failed, in a sentence.
        figures: what it has told: rows that were loaded, metrics.
    """

    run: str
    job: str
    state: str
    began: float | None
    ended: float | None
    why: str = ""
    figures: Mapping[str, Any] = field(default_factory=dict)
    by: str = ""

    def seconds(self, now: float) -> float | None:
        """How long it took, or takes so far."""
        return None if self.began is None else (self.ended or now) - self.began


@dataclass(frozen=True)
class Line:
    """A job.

    Attributes:
        runs: the newest first.
        next: when its cron comes next, in seconds since 1970.
        waits: what it comes after and is not newer than its last run.
    """

    job: str
    command: str
    cron: str
    timezone: str
    after: Sequence[str]
    loads: Sequence[str]
    runs: Sequence[Run]
    next: float | None
    waits: Sequence[str]

    @property
    def last(self) -> Run | None:
        """The newest run."""
        return self.runs[0] if self.runs else None

    @property
    def usual(self) -> float | None:
        """Seconds that its runs that succeeded took, half of them less; None = there was none."""
        took = [run.ended - run.began for run in self.runs if run.state == "succeeded" and run.ended and run.began]
        return median(took) if took else None


@dataclass(frozen=True)
class Board:
    """All jobs of a product.

    Attributes:
        at: when it was looked, in seconds since 1970.
        scheduled: when the schedule has last given a sign of life; None = it never ran.
        columns, edges: how jobs, archives and storages hang together; see `Chain`.
    """

    product: str
    at: float
    scheduled: float | None
    lines: Sequence[Line]
    columns: Sequence[Sequence[str]] = ()
    edges: Sequence[tuple[str, str]] = ()
