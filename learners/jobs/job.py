"""A job: a command in any language, when it runs, and what becomes of the files that it writes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import PurePosixPath

from learners.jobs.errors import JobRefused
from schemas.errors import MillraceError
from storage.kinds import FORMATS, KINDS
from storage.naming import place

ARCHIVE = "archive."
"""What the name of an archived topic begins with in `after`."""
LAST_RUN = "last run"
"""What `since` may be besides a duration."""
EXPORTED = (".parquet", ".arrow", ".csv", ".ndjson")
"""How files of events may end."""
_NAME = re.compile(r"[a-z][a-z0-9_]{0,99}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MOST_RETRIES = 100
_OURS = ("MILLRACE_JOB", "DAGSTER_PIPES_")


@dataclass(frozen=True, kw_only=True)
class Job:
    """A batch command. `[jobs.<name>]` in a product's `jobs.toml`, or an object of its `jobs.py`, declares one.

    Attributes:
        command: a program and its arguments; those that name a file of the product's folder are given as whole paths,
            since it runs in a folder of its own, which is new for each run.
        after: jobs, and archived topics as `archive.<topic>`: it runs once each of them is newer than its last run.
        cron: when it runs, in five fields; with `after` it runs at the first such time, or after it, at which each of
            them is newer. "" = it runs by `after` alone, or when somebody asks for it.
        timezone: of the cron.
        retries: how often a run that fails is tried again, and `retry_after` how long it waits before the first time;
            twice as long before each further one.
        timeout: how long one try may take; then the command and what it has started are ended.
        env: further variables of the command.
        pool: jobs with the same pool run one after another, such as those that need one GPU.
        exports: topic -> file: all of its events, archived or in Kafka, are there before the command runs, in the kind
            that the file's ending says: .parquet, .arrow, .csv or .ndjson.
        since: which events are exported: those that the log took in the last so many days or hours, or, `LAST_RUN`,
            those that no successful run of the job has had; None = all.
        loads: storage in full -> file that the command writes: once it has ended with 0, each file becomes the next
            version of its storage, as by `millrace storages load`.

    Raises:
        JobRefused: it cannot run like this.
    """

    name: str
    command: Sequence[str]
    after: Sequence[str] = ()
    cron: str = ""
    timezone: str = "UTC"
    retries: int = 0
    retry_after: timedelta = timedelta(seconds=10)
    timeout: timedelta = timedelta(hours=6)
    env: Mapping[str, str] = field(default_factory=dict)
    pool: str = ""
    exports: Mapping[str, str] = field(default_factory=dict)
    since: timedelta | str | None = None
    loads: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise JobRefused(
                f"A job cannot be named {self.name!r}; use small letters, digits and _, and begin with a letter."
            )
        if isinstance(self.command, str) or not self.command or not all(self.command):
            raise self._wrong('has no command; write command = ["Rscript", "train.R"]')
        if not 0 <= self.retries <= _MOST_RETRIES:
            raise self._wrong(f"has retries = {self.retries}; it must be 0 to {_MOST_RETRIES}")
        if self.pool and not _NAME.fullmatch(self.pool):
            raise self._wrong(f"has the pool {self.pool!r}; use small letters, digits and _")
        for name in self.env:
            if not _VARIABLE.fullmatch(name) or name.startswith(_OURS):
                raise self._wrong(f"sets the variable {name!r}, which it cannot; choose another name")
        if self.since is not None and (not self.exports or not _is_since(self.since)):
            raise self._wrong(f'has since = {self.since!r}; write 7d or "{LAST_RUN}", beside exports')
        self._must_suit_its_files()

    def _must_suit_its_files(self) -> None:
        for file in (*self.exports.values(), *self.loads.values()):
            self._must_be_inside(file)
        for file in self.exports.values():
            if PurePosixPath(file).suffix not in EXPORTED:
                raise self._wrong(f"exports into {file!r}, which must end with {', '.join(EXPORTED)}")
        for storage in self.loads:
            self._must_be_held(storage)

    @property
    def jobs(self) -> list[str]:
        """The jobs that it runs after."""
        return [name for name in self.after if not name.startswith(ARCHIVE)]

    @property
    def topics(self) -> list[str]:
        """The topics whose archive it runs after."""
        return [name.removeprefix(ARCHIVE) for name in self.after if name.startswith(ARCHIVE)]

    @property
    def scheduled(self) -> bool:
        """Whether it ever runs by itself."""
        return bool(self.cron or self.after)

    def _must_be_inside(self, file: str) -> None:
        path = PurePosixPath(file)
        if not file or path.is_absolute() or ".." in path.parts or "\0" in file:
            raise self._wrong(
                f"names the file {file!r}; it must be inside of the run's own folder, such as out.parquet"
            )

    def _must_be_held(self, storage: str) -> None:
        """What no technology could hold is said before anything is computed."""
        try:
            named = place(storage)
        except MillraceError as error:
            raise self._wrong(f"loads {storage!r}: {str(error).rstrip('.')}") from error
        if named.version is not None:
            raise self._wrong(f"loads {storage!r}; a load makes the next version itself: write {named.storage}")
        kinds = {name: kind for name, kind in KINDS.items() if name != "memory"}
        if named.technology not in kinds:
            raise self._wrong(f"loads {storage!r}; there is no technology {named.technology!r}, but {', '.join(kinds)}")
        if named.format not in FORMATS:
            raise self._wrong(f"loads {storage!r}; there is no format {named.format!r}, but {', '.join(FORMATS)}")
        if named.format == "parameters":
            raise self._wrong(
                f"loads {storage!r}; a model's parameters are what a learner has trained, not a file's rows"
            )
        why = kinds[named.technology].refuses.get(named.format)
        if why is not None:
            able = [name for name, kind in kinds.items() if named.format not in kind.refuses]
            raise self._wrong(
                f"loads {storage!r}, which {named.technology} cannot hold: {why}; {' or '.join(able)} can"
            )

    def _wrong(self, what: str) -> JobRefused:
        return JobRefused(f"The job {self.name} {what}.")


def _is_since(value: object) -> bool:
    return value == LAST_RUN if isinstance(value, str) else isinstance(value, timedelta) and value > timedelta()
