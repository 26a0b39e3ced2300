"""The events that a job's command finds in files: all, those of the last days, or those that no successful run has had.

<state>/jobs/exported/<product>.<job>.json     up to where its successful runs have had each topic
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from learners.jobs.errors import JobFailed
from learners.jobs.job import LAST_RUN, Job
from schemas.errors import MillraceError

Mark = Mapping[str, Any]
"""Up to where a topic was exported, as JSON; empty = nothing of it was. Whoever exports knows what is in it."""
Export = Callable[[str, Path, datetime | None, Mark | None], tuple[int, Mark]]
"""Writes a topic's events to a file, in the kind that its ending says: those since a moment, and those behind a mark;
None = all. Says how many there are, and the mark behind them."""


class Exported:
    """What one try of a job exports."""

    def __init__(self, job: Job, product: str, home: Path, export: Export) -> None:
        self._job, self._export = job, export
        self._file = home / "exported" / f"{product}.{job.name}.json"
        self._marks = dict(self._kept()) if job.since == LAST_RUN else {}

    def write(self, folder: Path) -> Iterator[tuple[str, int]]:
        """Write the files into a folder. Blocks. Yields each topic with its number of events.

        Raises:
            JobFailed: one cannot be exported.
        """
        job, fresh = self._job, self._job.since == LAST_RUN
        since = None if job.since is None or isinstance(job.since, str) else datetime.now(UTC) - job.since
        for topic, file in job.exports.items():
            path = folder / file
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                rows, mark = self._export(topic, path, since, self._marks.get(topic, {}) if fresh else None)
            except MillraceError as error:
                raise JobFailed(f"The events of {topic} could not be exported: {error}") from error
            self._marks[topic] = mark
            yield topic, rows

    def keep(self) -> None:
        """The run has succeeded: the next one begins behind what this one has had."""
        if self._job.since != LAST_RUN:
            return
        self._file.parent.mkdir(parents=True, exist_ok=True)
        part = self._file.with_suffix(".part")
        part.write_text(json.dumps(self._marks), "utf-8")
        part.replace(self._file)

    def _kept(self) -> Mapping[str, Mark]:
        try:
            found: Mapping[str, Mark] = json.loads(self._file.read_text("utf-8"))
            if not isinstance(found, dict) or not all(isinstance(mark, dict) for mark in found.values()):
                raise ValueError(found)
        except FileNotFoundError:
            return {}
        except ValueError as error:
            raise JobFailed(
                f"{self._file} is broken: what earlier runs have had is not known. Remove it to begin with all."
            ) from error
        return found
