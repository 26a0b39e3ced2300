"""Keeps archives small and quick to read: few files, and only as old as wanted."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError

from streams.archive.columns import DATE
from streams.archive.desk import Desk
from streams.archive.snapshots import VALID_FROM, Snapshots
from streams.archive.table import ArchiveTable
from streams.errors import ArchiveUnavailable

LOGGER = logging.getLogger("millrace.archive")
EVERY = 3_600.0
FILE = 128 << 20
"""Bytes that a file is to have."""
READ_FOR = 24
"""Hours for which files that are no part of the archive any more are kept: somebody may still read them."""


class Upkeep:
    """Joins small files, and removes what is too old and what is no part of any archive any more.

    Any number of processes may do that; where two do it at the same time, one of them has done it.

    Args:
        every: seconds between two times.
        keep_days: whole days of events that are kept, and of snapshots whose source does not say for how long; 0 = all.
    """

    def __init__(self, every: float = EVERY, keep_days: int = 0) -> None:
        self._every, self._keep_days = every, keep_days
        self._due: dict[str, float] = {}

    def look(self, desks: Iterable[Desk], now: float) -> None:
        """Do it for the topics where it is time."""
        for desk in desks:
            due = self._due.setdefault(desk.event_type.topic, now + self._every)
            if now >= due:
                self._due[desk.event_type.topic] = now + self._every
                desk.keep_up(self.done)

    def done(self, table: ArchiveTable) -> None:
        """Do it for one archive. Blocks.

        Raises:
            ArchiveUnavailable: it does not answer, or takes nothing; all is as it was, or part of it is done.
        """
        if not table.look():
            return
        delta = table.snapshot
        assert delta is not None
        with _later(table):
            if self._keep_days:
                delta.delete(f"{DATE} < '{_today() - dt.timedelta(days=self._keep_days)}'")
            delta.optimize.compact(target_size=FILE)
            _clean(delta)

    def done_with(self, snapshots: Snapshots, always: bool = True) -> int:
        """Remove the snapshots of a source that are kept no longer; how many. The newest stays, and the one that was
        valid when the time that is kept begins. Blocks.

        Args:
            always: whether what is no part of the archive any more is looked for also where none goes.
        """
        if not snapshots.look():
            return 0
        delta, before = snapshots.table.snapshot, len(snapshots.all)
        usual = dt.timedelta(days=self._keep_days) if self._keep_days else None
        first = snapshots.expired(dt.datetime.now(dt.UTC), usual)
        if delta is None or (first is None and not always):
            return 0
        with _later(snapshots.table):
            if first is not None:
                delta.delete(
                    f"{VALID_FROM} < arrow_cast('{first.isoformat()}', 'Timestamp(Microsecond, Some(\"UTC\"))')"
                )
            _clean(delta)
        snapshots.look()
        return before - len(snapshots.all)


def _clean(delta: DeltaTable) -> None:
    delta.vacuum(READ_FOR, dry_run=False, enforce_retention_duration=False, full=True)
    delta.create_checkpoint()
    delta.cleanup_metadata()


@contextmanager
def _later(table: ArchiveTable) -> Iterator[None]:
    try:
        yield
    except CommitFailedError as error:  # others have written, or tidied, meanwhile
        LOGGER.info("The archive of %s is tidied later: %s", table.topic, error)
    except (DeltaError, OSError) as error:
        raise ArchiveUnavailable(f"The archive of {table.topic} was not tidied: {error}") from error


def _today() -> dt.date:
    return dt.datetime.now(dt.UTC).date()
