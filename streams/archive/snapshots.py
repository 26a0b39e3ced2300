"""The snapshots of an external source: a Delta Lake table, in which each is whole and says from when on it held."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import CommitProperties, DeltaTable, Transaction, WriterProperties, write_deltalake
from deltalake.exceptions import CommitFailedError

from streams.archive.erasing import erase
from streams.archive.table import TRIES, ArchiveTable, columns_of
from streams.errors import ArchiveFenced, ArchiveRefused, ArchiveUnavailable

VALID_FROM, VALID_TO, ROW = "valid_from", "valid_to", "_row"
_OWN: Mapping[str, pl.DataType] = {VALID_FROM: pl.Datetime("us", "UTC"), ROW: pl.Int64()}
"""Before all others, as Delta keeps statistics of the first 32 columns alone."""
_NOTE, _RUN = "millrace.", "run"
_SUBJECT, _KEEP, _EMITS, _ERASED = "millrace.subject", "millrace.keep", "millrace.emits", "millrace.erased"
"""Properties of the table: see `Snapshots.declare`, and whether rows were erased."""
_AT_ONCE = 16_384
_GROUP = 131_072
"""Rows that a reader decodes at once, at least."""
_MILLISECOND = dt.timedelta(milliseconds=1)
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True)
class Snapshot:
    """One snapshot: from when on it was known (UTC, whole milliseconds), its rows, and their bytes as they are kept."""

    at: dt.datetime
    rows: int
    bytes: int


class Snapshots:
    """All snapshots of one source. A snapshot is one commit: all of its rows are there or none. Calls block.

    Two that make one at the same time do not both: each commit moves the Delta application transaction
    `millrace/source/<name>`, and Delta refuses it where another one has moved it since.

    Every method raises `ArchiveUnavailable` where the storage does not answer or takes nothing.
    """

    def __init__(self, table: ArchiveTable, name: str) -> None:
        self.table, self.name = table, name

    def look(self) -> bool:
        """Take the newest state of the table; False where there is no snapshot yet."""
        return self.table.look() and self.newest is not None

    @property
    def columns(self) -> dict[str, pl.DataType]:
        """The columns of the source, without the table's own; none where there is no table yet."""
        found = {} if self.table.snapshot is None else columns_of(self.table.snapshot)
        return {name: kind for name, kind in found.items() if name not in _OWN}

    @property
    def all(self) -> list[Snapshot]:
        """All of them, oldest first; of the state that was looked at."""
        if self.table.snapshot is None:
            return []
        with self.table.answering():
            files = pl.DataFrame(self.table.snapshot.get_add_actions(flatten=True))
        if not files.height:
            return []
        if (files[f"min.{VALID_FROM}"] != files[f"max.{VALID_FROM}"]).any():
            return self._counted(int(files["size_bytes"].sum()))
        found = files.group_by(pl.col(f"min.{VALID_FROM}").alias("at")).agg(
            pl.col("num_records").sum().alias("rows"), pl.col("size_bytes").sum().alias("bytes")
        )
        return [Snapshot(at.astimezone(dt.UTC), rows, size) for at, rows, size in found.sort("at").iter_rows()]

    @property
    def newest(self) -> Snapshot | None:
        """The last one; None where there is none."""
        return next(reversed(self.all), None)

    @property
    def note(self) -> dict[str, str]:
        """What was noted with the newest snapshot; empty where the table's history does not reach back so far."""
        if self.table.snapshot is None:
            return {}
        with self.table.answering():
            for commit in self.table.snapshot.history():
                if VALID_FROM in (found := _noted(commit)):
                    return found
        return {}

    @property
    def subject(self) -> str | None:
        """The column that names the person whom a row is about; None = nobody has said so."""
        return self._property(_SUBJECT)

    def declare(self, subject: str | None, keep: dt.timedelta | None, emits: str | None) -> None:
        """Note what is declared, for those who do not know who declares it.

        Args:
            subject: the column that names the person whom a row is about; None leaves what was said.
            keep: for so long snapshots are kept that are not valid any more; None = nothing is said.
            emits: the topic to which changes are emitted.
        """
        said = {_KEEP: "" if keep is None else str(int(keep.total_seconds())), _EMITS: emits or ""}
        if subject is not None:
            said[_SUBJECT] = subject
        changed = {name: text for name, text in said.items() if (self._property(name) or "") != text}
        if self.table.snapshot is not None and changed:
            self._say(changed)

    def expired(self, now: dt.datetime, usual: dt.timedelta | None) -> dt.datetime | None:
        """The oldest snapshot that is to stay, where older ones are to go: not valid for longer than they are kept, and
        not those that changes are still to be told from. None where none goes. Blocks.

        Args:
            usual: for so long they are kept where nothing is declared; None = for ever.
        """
        seconds, emits = self._property(_KEEP), self._property(_EMITS)
        keep, found = dt.timedelta(seconds=int(seconds)) if seconds else usual, self.all
        if keep is None or not found:
            return None
        mark = self.emitted(emits) if emits else None
        valid = [one.at for one in found if one.at <= now - keep and (mark is None or one.at <= mark)]
        return valid[-1] if valid and valid[-1] > found[0].at else None

    def erase(self, person: str) -> int:
        """Remove a person's rows from all snapshots, by `subject`; see `erasing.erase`. The numbers of other rows stay.

        Returns:
            how many there were.
        """
        if not self.look() or self.subject is None:
            return 0
        if self._property(_ERASED) is None:
            self._say({_ERASED: "true"})
        return erase(self.table, self.subject, [person])

    def next_moment(self) -> dt.datetime:
        """From when on a snapshot holds that is complete now: after the one before, by a millisecond for each million
        of its rows, so that positions made of the time and the row grow."""
        now = dt.datetime.now(dt.UTC)
        now -= dt.timedelta(microseconds=now.microsecond % 1000)
        before = self.newest
        return now if before is None else max(now, before.at + _MILLISECOND * (1 + (before.rows >> 20)))

    def append(
        self,
        frames: Iterable[pl.DataFrame],
        columns: Mapping[str, pl.DataType],
        at: dt.datetime,
        note: Mapping[str, str],
    ) -> None:
        """Add a snapshot, all of it or nothing; frames are asked for one after another.

        Args:
            columns: of the frames; new ones become columns of the table.
            at: from when on it holds, of `next_moment`.
            note: what is found by `note` later.

        Raises:
            ArchiveFenced: somebody else has added one since this one was looked at.
            ArchiveRefused: two columns differ in their case alone.
        """
        wanted = {**_OWN, **columns}
        self._create(wanted)
        table = self.table.snapshot
        assert table is not None
        schema = pl.DataFrame(schema=wanted).to_arrow().schema
        reader = pa.RecordBatchReader.from_batches(schema, _batches(frames, at, schema))
        run = uuid.uuid4().hex
        said = {f"{_NOTE}{name}": text for name, text in {**note, VALID_FROM: at.isoformat(), _RUN: run}.items()}
        try:
            write_deltalake(
                table,
                reader,
                mode="append",
                schema_mode="merge",
                writer_properties=WriterProperties(compression="ZSTD", max_row_group_size=_GROUP),
                commit_properties=self._moving(at, said),
            )
        except Exception as error:  # not all that Delta's writer raises is a DeltaError
            if self._is_there(run):
                return
            if isinstance(error, CommitFailedError):
                raise ArchiveFenced(
                    f"Somebody else has added to {self.table.topic} meanwhile; run it again."
                ) from error
            raise self.table.unavailable(error) from error
        self.table.look()

    def frame(self) -> pl.LazyFrame:
        """The rows of all snapshots, with `valid_from` and `_row`; nothing is read yet."""
        return self.table.frame()

    def rows(self, at: dt.datetime) -> Iterator[pl.DataFrame]:
        """The rows of one snapshot, in the order in which they were given, with `_row`; a few at a time.

        Delta's writer moves some rows past a few others, so that what comes early waits here for what it follows.

        Raises:
            ArchiveRefused: rows of it are gone.
        """
        kinds = pl.Schema({**self.columns, ROW: _OWN[ROW]})
        waiting, following = pl.DataFrame(schema=kinds), 0
        numbers = None if self._property(_ERASED) is None else self._numbers(at)
        for batch in self._batches_of(at, list(kinds)):
            waiting = pl.concat([waiting, pl.DataFrame(pl.from_arrow(batch)).cast(kinds)]).sort(ROW)
            end = following + waiting.height
            missing = waiting[ROW] != (
                pl.int_range(following, end, eager=True) if numbers is None else numbers[following:end]
            )
            ready = next(iter(missing.arg_true()), waiting.height)
            if ready:
                yield waiting[:ready]
                waiting, following = waiting[ready:], following + ready
        if waiting.height:
            raise ArchiveRefused(f"Rows of {self.table.topic} are gone: the snapshot of {at} lacks row {following}.")

    def _numbers(self, at: dt.datetime) -> pl.Series:
        """The numbers of the rows that a snapshot still has, in order."""
        parts = [pl.DataFrame(pl.from_arrow(batch))[ROW] for batch in self._batches_of(at, [ROW])]
        return pl.concat([pl.Series(ROW, dtype=pl.Int64()), *parts]).sort()

    def _batches_of(self, at: dt.datetime, columns: list[str]) -> Iterator[pa.RecordBatch]:
        if self.table.snapshot is None:
            raise ArchiveUnavailable(f"The archive of {self.table.topic} at {self.table.place} is gone.")
        with self.table.answering():
            files = self.table.snapshot.to_pyarrow_dataset(as_large_types=True)
            scanner = files.scanner(
                columns=columns,
                filter=ds.field(VALID_FROM) == pa.scalar(at, pa.timestamp("us", "UTC")),
                batch_size=_AT_ONCE,
                batch_readahead=2,
                fragment_readahead=1,
            )
            yield from (batch for batch in scanner.to_batches() if batch.num_rows)

    def emitted(self, topic: str) -> dt.datetime | None:
        """Which snapshot a topic has all changes up to; None = nothing was emitted there."""
        if self.table.snapshot is None:
            return None
        with self.table.answering():
            found = self.table.snapshot.transaction_version(self._emitting(topic))
        return None if found is None else EPOCH + found * _MILLISECOND

    def mark_emitted(self, topic: str, at: dt.datetime) -> None:
        """Note that a topic has all changes up to a snapshot."""
        assert self.table.snapshot is not None
        nothing = pl.DataFrame(schema=columns_of(self.table.snapshot))
        moved = CommitProperties(
            app_transactions=[Transaction(self._emitting(topic), milliseconds(at))], max_commit_retries=TRIES
        )
        with self.table.answering():
            write_deltalake(self.table.snapshot, nothing, mode="append", commit_properties=moved)
        self.table.look()

    def _counted(self, size: int) -> list[Snapshot]:
        """The same where somebody has joined files, so that one holds several snapshots; bytes are shared by rows."""
        with self.table.answering():
            found = self.frame().group_by(VALID_FROM).len().sort(VALID_FROM).collect()
        total = found["len"].sum()
        return [Snapshot(at.astimezone(dt.UTC), rows, size * rows // total) for at, rows in found.iter_rows()]

    def _property(self, name: str) -> str | None:
        return None if self.table.snapshot is None else self.table.snapshot.metadata().configuration.get(name)

    def _say(self, properties: dict[str, str]) -> None:
        assert self.table.snapshot is not None
        with self.table.answering():
            self.table.snapshot.alter.set_table_properties(properties, raise_if_not_exists=False)
        self.table.look()

    def _create(self, columns: Mapping[str, pl.DataType]) -> None:
        if self.table.snapshot is not None:
            return
        with self.table.answering():
            DeltaTable.create(
                self.table.place,
                pl.DataFrame(schema=columns).to_arrow().schema,
                mode="ignore",
                name=self.name,
                description=f"Snapshots of {self.table.topic}",
                storage_options=None if self.table.options is None else dict(self.table.options),
            )
        self.table.look()

    def _is_there(self, run: str) -> bool:
        """Whether what was added last is what this run was to add."""
        return self.table.look() and self.note.get(_RUN) == run

    def _moving(self, at: dt.datetime, said: Mapping[str, str]) -> CommitProperties:
        moved = [Transaction(f"millrace/source/{self.name}", milliseconds(at))]
        return CommitProperties(custom_metadata=dict(said), app_transactions=moved, max_commit_retries=TRIES)

    def _emitting(self, topic: str) -> str:
        return f"millrace/source/{self.name}/{topic}"


def milliseconds(at: dt.datetime) -> int:
    """A moment as milliseconds since 1970."""
    return (at - EPOCH) // _MILLISECOND


def _batches(frames: Iterable[pl.DataFrame], at: dt.datetime, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    row = 0
    for frame in frames:
        own = [
            pl.lit(at).cast(_OWN[VALID_FROM]).alias(VALID_FROM),
            pl.int_range(row, row + frame.height, dtype=pl.Int64).alias(ROW),
        ]
        row += frame.height
        yield from frame.select(*own, pl.all()).to_arrow().cast(schema).to_batches()


def _noted(commit: Mapping[str, Any]) -> dict[str, str]:
    return {name.removeprefix(_NOTE): str(text) for name, text in commit.items() if name.startswith(_NOTE)}
