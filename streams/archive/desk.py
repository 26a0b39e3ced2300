"""What is done for one topic: rows are gathered, while those before them are on their way into the archive."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Executor, Future
from concurrent.futures import wait as waited

import polars as pl

from schemas import EventType
from streams.archive.columns import archived_schema
from streams.archive.gathered import Commit, Gathered, Piece
from streams.archive.pseudonyms import hidden, must_hide
from streams.archive.shelf import Shelf
from streams.archive.table import ArchiveTable
from streams.errors import ArchiveFenced, ArchiveRefused, ArchiveUnavailable, KafkaUnavailable, TopicMissing
from streams.fetched import Fetched

Identity = Callable[[], str]
LOGGER = logging.getLogger("millrace.archive")
AGAIN = 1.0
"""Seconds after which what could not be archived is tried again."""


class Desk:
    """One commit of a topic is under way at a time. For one thread, but for the commit itself.

    Args:
        begun: the topics whose archive was there once, for all desks of a process.
        identity: asks Kafka for the topic's id; from any thread.

    Attributes:
        positions: of the partitions that it reads, the next offset to gather; None = the beginning of the log.
        problem: why nothing is archived, if so.
    """

    def __init__(
        self, event_type: EventType, shelf: Shelf, executor: Executor, begun: set[str], identity: Identity
    ) -> None:
        must_hide(event_type, shelf.pseudonyms)
        self.event_type, self._shelf = event_type, shelf
        # One for this thread, and one for the commits.
        self._table, self._written = shelf.table(event_type.topic), shelf.table(event_type.topic)
        self.positions: dict[int, int | None] = {}
        self.problem: str | None = None
        self._executor, self._gathered = executor, Gathered()
        self._schema = pl.Schema(archived_schema(event_type.frame_schema, event_type.topic))
        self._commit: Commit | None = None
        self._under_way: Future[None] | None = None
        self._kept_up: Future[None] | None = None
        self._due = 0.0
        self._begun, self._fenced, self._identity = begun, False, identity

    @property
    def size(self) -> int:
        """Bytes of rows in memory."""
        return self._gathered.size + (0 if self._commit is None else self._commit.size)

    @property
    def idle(self) -> bool:
        """Whether all that was gathered is archived."""
        return self._commit is None and self._gathered.since is None

    @property
    def waits(self) -> bool:
        """Whether nothing is gathered until `work` has found out where the archive stands."""
        return self._fenced

    def begin(self, partitions: list[int]) -> dict[int, int | None]:
        """Read these partitions from where the archive stands; says where that is. Blocks.

        Raises:
            ArchiveRefused: it is the archive of a topic that was deleted.
        """
        if not self._table.look():
            if self.event_type.topic in self._begun:
                raise ArchiveUnavailable(
                    f"The archive of {self.event_type.topic} at {self._table.place} is gone. Put it back, or start "
                    "again to begin another."
                )
            self._table.create(self.event_type.frame_schema, self._identity())
        self._table.must_be_of(self._identity())
        self._begun.add(self.event_type.topic)
        found = {partition: self._table.position(partition) for partition in partitions}
        for partition in partitions:
            self._gathered.drop(partition)
        self.positions.update(found)
        return found

    def put_off(self, partitions: list[int], why: Exception, now: float) -> dict[int, int | None]:
        """Begin these partitions later, since the archive does not answer; says from where to read until then, which is
        not gathered."""
        self.positions.update(dict.fromkeys(partitions))
        self._fenced, self._due = True, now + AGAIN
        self._say(str(why), LOGGER.warning)
        return dict.fromkeys(partitions)

    def archived(self, partition: int) -> int | None:
        """Where the archive of a partition stands now. Blocks."""
        return self._table.position(partition) if self._table.look() else None

    def end(self, partition: int) -> None:
        """Somebody else archives this partition from now on."""
        self._gathered.drop(partition)
        self.positions.pop(partition, None)

    def receive(self, item: Fetched, now: float) -> None:
        """Gather what one poll found."""
        batch = item.batch
        if batch.partition not in self.positions or self._fenced:
            return
        before = self.positions[batch.partition]
        piece = Piece(batch.partition, batch.frame, batch.offsets, item.timestamps)
        self._gathered.add(before, batch.first, batch.next, piece, now)
        self.positions[batch.partition] = batch.next

    def work(self, now: float, patience: float, size: int) -> dict[int, int | None]:
        """Begin a commit where one is due, and take the outcome of the one under way.

        Args:
            patience: seconds that rows are gathered.
            size: bytes of rows that are archived earlier.

        Raises:
            ArchiveRefused: the archive cannot hold such rows; nothing is gathered any more.

        Returns:
            partitions that are to be read again from elsewhere, and where; mostly none.
        """
        if self._under_way is not None and self._under_way.done():
            self._take(self._under_way, now)
        if self._fenced and now >= self._due:
            return self._begun_again(now)
        since = self._gathered.since
        if self._under_way is None and now >= self._due:
            if self._commit is None and since is not None and (now - since >= patience or self._gathered.size >= size):
                self._commit = self._gathered.take(self._schema, self._hide)
            if self._commit is not None:
                self._under_way = self._executor.submit(_written, self._written, self._commit, self._identity)
        return {}

    def wait(self, seconds: float) -> None:
        """Wait until the commit under way has ended, so long at most."""
        if self._under_way is not None:
            waited([self._under_way], seconds)

    def keep_up(self, work: Callable[[ArchiveTable], None]) -> None:
        """Do something with the archive beside all else, unless that is being done."""
        if self._kept_up is None or self._kept_up.done():
            self._kept_up = self._executor.submit(_tried, work, self._shelf.table(self.event_type.topic))

    def _hide(self, events: pl.DataFrame) -> pl.DataFrame:
        return hidden(events, self.event_type, self._shelf.pseudonyms)

    def _begun_again(self, now: float) -> dict[int, int | None]:
        try:
            found = self.begin(list(self.positions))
        except (ArchiveUnavailable, KafkaUnavailable, TopicMissing) as error:
            self._due = now + AGAIN
            self._say(str(error), LOGGER.warning)
            return {}
        self._fenced, self.problem = False, None
        return found

    def _take(self, ended: Future[None], now: float) -> None:
        self._under_way = None
        try:
            ended.result()
        except (ArchiveUnavailable, KafkaUnavailable, TopicMissing) as error:
            self._due = now + AGAIN
            self._say(str(error), LOGGER.warning)
        except ArchiveFenced as error:
            LOGGER.info("%s", error)
            self._commit, self._fenced = None, True
        except ArchiveRefused:
            self._commit, self.positions = None, {}
            raise
        else:
            self._commit, self.problem = None, None

    def _say(self, problem: str, log: Callable[..., None]) -> None:
        if self.problem != problem:
            log("%s", problem)
        self.problem = problem


def _written(table: ArchiveTable, commit: Commit, identity: Identity) -> None:
    """On another thread: rows are made there, and not where the log is read. They were read before Kafka is asked whose
    they are, so that they are of the topic that is archived here."""
    table.must_be_of(identity())
    table.append(commit.rows, commit.moves, commit.begins)


def _tried(work: Callable[[ArchiveTable], None], table: ArchiveTable) -> None:
    try:
        work(table)
    except ArchiveUnavailable as error:
        LOGGER.warning("%s", error)
