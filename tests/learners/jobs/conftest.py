"""Jobs that run for real: Dagster's records in a folder, and storages in a SQLite of their own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from uuid import uuid4

import dagster as dg
import pytest

from learners.jobs import Chain, Job
from learners.jobs.board import Board, Run
from learners.jobs.exported import Mark
from learners.jobs.home import opened_instance
from learners.jobs.looking import board, find_run
from learners.jobs.run import Around
from learners.jobs.runner import run_now
from storage import Technology, technologies


@dataclass
class Workshop:
    """A product's folder and all that its jobs run among."""

    folder: Path
    instance: dg.DagsterInstance
    product: str
    alerts: list[tuple[str, str, str, str]] = field(default_factory=list)
    days: dict[str, str] = field(default_factory=dict)
    wanted: list[tuple[str, datetime | None, Mark | None]] = field(default_factory=list)
    news: bool = True

    def opened(self, technology: str) -> AbstractContextManager[Technology]:
        """The technology; only SQLite is there."""
        return closing(technologies.opened(technology, f"sqlite:///{self.folder}/relational.db"))

    def export(self, topic: str, path: Path, since: datetime | None, mark: Mark | None) -> tuple[int, Mark]:
        """A line with the topic, and what is wanted of it; the mark counts."""
        self.wanted.append((topic, since, mark))
        return path.write_text(f"{topic}\n" * self.news), {"next": self.news + (mark or {}).get("next", 0)}

    @property
    def around(self) -> Around:
        """For the runs."""
        return Around(
            product=self.product,
            folder=self.folder,
            home=self.folder / "jobs",
            opened=self.opened,
            export=self.export,
            newest_day=self.days.get,
            made_by="test",
            alert=lambda *told: self.alerts.append(told),
        )

    def python(self, name: str, text: str) -> list[str]:
        """A command that runs this program, which lies in the product's folder."""
        (self.folder / name).write_text(text)
        return [sys.executable, name]

    def run(self, *jobs: Job, name: str = "") -> Run:
        """Run one of these jobs, the first unless it is named, as it ended."""
        run, _ = run_now(Chain.of(jobs), self.around, self.instance, name or jobs[0].name)
        return find_run(self.product, self.instance, run)

    def board(self, *jobs: Job) -> Board:
        """As people look at it."""
        return board(Chain.of(jobs), self.product, self.instance)

    def log(self, run: Run) -> str:
        """What a run printed."""
        return (self.folder / "jobs" / "runs" / run.run / "log.txt").read_text()


@pytest.fixture(scope="session")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    """Dagster's records, which take seconds to make."""
    with opened_instance(tmp_path_factory.mktemp("records"), 2) as instance:
        yield instance


@pytest.fixture
def workshop(tmp_path: Path, instance: dg.DagsterInstance) -> Workshop:
    return Workshop(tmp_path, instance, f"product_{uuid4().hex}")
