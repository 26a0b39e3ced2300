"""One topic's archive: a Delta Lake table, in which the rows of a commit and the positions behind them are one."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import polars as pl
import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError, TableNotFoundError

from streams.archive.columns import DATE, archived_schema, plain_type
from streams.archive.pseudonyms import Pseudonyms
from streams.errors import ArchiveFenced, ArchiveRefused, ArchiveUnavailable

Moves = Mapping[int, tuple[int | None, int]]
"""By partition, the position before a commit (None: it has none yet) and the one after it."""
TRIES = 5
TOPIC_ID = "millrace.topic_id"
"""The table's property that says of which topic it is, where several have had its name."""
BEGAN = "/began"
"""What the transaction is called besides whose version is where the archive of a partition began."""
_ASKED = {"connect_timeout": "5s", "timeout": "30s", "max_retries": "3", "retry_timeout": "20s"}
"""How long an object store is asked, unless the options say otherwise. By its client's own choice one request may last
minutes, in which nobody hears what is wrong, no other topic is archived and no process ends; we ask again anyway."""
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class ArchiveFile(NamedTuple):
    """One file of a snapshot.

    Attributes:
        place: its address.
        size: bytes.
        day: of its rows.
        rows: None where whoever wrote it does not say.
    """

    place: str
    size: int
    day: dt.date
    rows: int | None


class ArchiveTable:
    """A topic's archive. Several processes may write it at the same time, each its partitions. Calls block.

    A commit is one version of the table: files of rows, and for each partition a Delta application transaction
    (`millrace/<topic>/<partition>`) whose version is the next offset to archive. Delta refuses a commit where another
    one has moved the same transaction since the snapshot that it was made on (Delta protocol, *Transaction
    Identifiers*); so two that believe to own a partition cannot both archive an event, and one that died between
    writing its files and its commit has archived nothing.

    Every method raises `ArchiveUnavailable` where the storage does not answer or takes nothing.
    """

    def __init__(
        self,
        place: str,
        topic: str,
        options: Mapping[str, str] | None = None,
        pseudonyms: Pseudonyms | None = None,
    ) -> None:
        self.place, self.topic, self.pseudonyms = place, topic, pseudonyms
        self.options = asked(place, options)
        self._table: DeltaTable | None = None
        self._known: dict[int, int | None] = {}  # positions in this snapshot; to ask for one reads the table's log

    def look(self) -> bool:
        """Take the newest snapshot; False where nothing is archived yet."""
        self._known = {}
        with self.answering():
            try:
                if self._table is None:
                    self._table = DeltaTable(self.place, storage_options=self.options)
                else:
                    self._table.update_incremental()
            except TableNotFoundError:
                self._table = None
        return self._table is not None

    @property
    def snapshot(self) -> DeltaTable | None:
        """What `look` or a commit found last."""
        return self._table

    def frame(self) -> pl.LazyFrame:
        """The rows of the snapshot that was looked at; nothing is read yet."""
        return pl.scan_delta(self._looked_at(), storage_options=self._for_reading)

    def files(self) -> list[ArchiveFile]:
        """The files of the snapshot that was looked at. Blocks."""
        with self.answering():
            found = pl.DataFrame(self._looked_at().get_add_actions(flatten=True))
        places = [f"{self.place.rstrip('/')}/{path}" for path in found["path"]]
        columns = (found[name] for name in ("size_bytes", f"partition.{DATE}", "num_records"))
        return list(map(ArchiveFile, places, *columns))

    def frame_of(self, files: Sequence[str], name: str | None = None) -> pl.LazyFrame:
        """The rows of some of these files, with the columns that are in them and null in those that only other files
        have; nothing is read yet.

        Args:
            name: of a column more, which says in which file a row is.
        """
        schema = {column: kind for column, kind in columns_of(self._looked_at()).items() if column != DATE}
        options = {**(self.options or {}), **(self._for_reading or {})}
        return pl.scan_parquet(
            list(files),
            schema=schema,
            glob=False,
            hive_partitioning=False,
            missing_columns="insert",
            cast_options=pl.ScanCastOptions(missing_struct_fields="insert", extra_struct_fields="ignore"),
            include_file_paths=name,
            storage_options=options or None,
        )

    def position(self, partition: int) -> int | None:
        """The next offset of a partition, in this snapshot; None where nothing of it is archived."""
        if self._table is None:
            return None
        if partition not in self._known:
            with self.answering():
                self._known[partition] = self._table.transaction_version(self._transaction(partition))
        return self._known[partition]

    def began(self, partition: int) -> int:
        """Where the log of a partition began when its archive did; 0 where nobody has noted it."""
        if self._table is None:
            return 0
        with self.answering():
            return self._table.transaction_version(self._transaction(partition) + BEGAN) or 0

    @property
    def topic_id(self) -> str | None:
        """What tells the topic that is archived here from others of its name, in this snapshot; None = nobody has
        noted it."""
        return None if self._table is None else self._table.metadata().configuration.get(TOPIC_ID)

    def must_be_of(self, topic_id: str) -> None:
        """Raise ArchiveRefused where another topic of this name is archived here; one that is not noted is noted now.

        Looks at the newest snapshot only where none is known."""
        if self._table is None:
            self.look()
        if self._table is None or self.topic_id == topic_id:
            return
        with self.answering():
            if self.topic_id is None:
                self._table.alter.set_table_properties({TOPIC_ID: topic_id}, raise_if_not_exists=False)
                return
        raise ArchiveRefused(
            f"{self.topic} was deleted and made anew: the archive at {self.place} is of the topic before, and offsets "
            "begin again. Move that archive away, and start the archiver again to begin another."
        )

    def create(self, events: Mapping[str, pl.DataType], topic_id: str | None = None) -> None:
        """Create it unless it is there.

        Args:
            events: the columns of the topic's events.
            topic_id: see `topic_id`.

        Raises:
            ArchiveRefused: such events cannot be archived.
        """
        schema = archived_schema(events, self.topic)
        if self.look():
            return
        with self.answering():
            self._table = DeltaTable.create(
                self.place,
                pl.DataFrame(schema=schema).to_arrow().schema,
                mode="ignore",
                partition_by=[DATE],
                name=self.topic,
                description=f"Events of the topic {self.topic}",
                storage_options=self.options,
                configuration=None if topic_id is None else {TOPIC_ID: topic_id},
                raise_if_key_not_exists=False,
            )

    def append(self, rows: pl.DataFrame, moves: Moves, begins: Mapping[int, int] | None = None) -> None:
        """Archive rows and move the positions behind them, both or neither. Repeats itself until the outcome is known:
        it may have been archived where this raises `ArchiveUnavailable`, and the same call may be made again.

        Args:
            rows: with the columns of `columns.rows`; may be empty where positions pass events that could not be read.
            begins: where the logs of partitions begin whose archive begins with this commit.

        Raises:
            ArchiveFenced: a position is another one than this commit expects: someone else archives the partition.
            ArchiveRefused: a column has another type than in the table.
        """
        before = {partition: place for partition, (place, _) in moves.items()}
        after = {partition: place for partition, (_, place) in moves.items()}
        said: Exception | None = None
        for _ in range(TRIES):
            found = self._positions(moves)
            if self._table is None or found != before:
                self.look()
                found = self._positions(moves)
            if found == after:
                return  # an earlier try got through
            if self._table is None:
                raise ArchiveUnavailable(f"The archive of {self.topic} at {self.place} is gone.")
            if found != before:
                raise ArchiveFenced(f"The archive of {self.topic} stands at {found}, and not at {before} as expected.")
            self._check_types(self._table, rows)
            try:
                self._commit(self._table, rows, moves, begins or {})
                self._known |= after
                return
            except Exception as error:  # not all that Delta's writer raises is a DeltaError
                said = error
            self._table = None  # whether it got through is seen in a new snapshot
            self.look()
            if not isinstance(said, CommitFailedError) and self._positions(moves) == found:
                break
        assert said is not None
        raise self.unavailable(said) from said

    def size(self) -> dict[str, Any]:
        """Rows, bytes, files, and the first and last day; of the snapshot that was looked at. Blocks."""
        if self._table is None:
            return {"rows": 0, "bytes": 0, "files": 0, "first_day": None, "last_day": None}
        with self.answering():
            files = pl.DataFrame(self._table.get_add_actions(flatten=True))
        days = files[f"partition.{DATE}"]
        return {
            "rows": int(files["num_records"].sum()),
            "bytes": int(files["size_bytes"].sum()),
            "files": files.height,
            "first_day": days.min(),
            "last_day": days.max(),
        }

    def commits(self) -> list[tuple[dt.datetime, int]]:
        """When rows were archived and how many, oldest first; of the snapshot that was looked at. Blocks."""
        if self._table is None:
            return []
        with self.answering():
            history = self._table.history()
        return [
            (
                dt.datetime.fromtimestamp(entry["timestamp"] / 1000, dt.UTC),
                int(entry["operationMetrics"]["num_added_rows"]),
            )
            for entry in reversed(history)
            if entry["operation"] == "WRITE"
        ]

    def skip(self, partition: int, to: int) -> int:
        """Move a position forward past events that the log has lost; says past how many. Blocks.

        Raises:
            ArchiveRefused: the archive does not stand before `to`.
        """
        position = self.position(partition) if self.look() else None
        if self._table is None or position is None or position >= to:
            at = "has nothing yet" if position is None else f"stands at {position}, and the log begins at {to}"
            raise ArchiveRefused(f"The archive of {self.topic} partition {partition} {at}: nothing to skip.")
        self.append(pl.DataFrame(schema=columns_of(self._table)), {partition: (position, to)})
        return to - position

    def _positions(self, moves: Moves) -> dict[int, int | None]:
        return {partition: self.position(partition) for partition in moves}

    def _commit(self, table: DeltaTable, rows: pl.DataFrame, moves: Moves, begins: Mapping[int, int]) -> None:
        now = round(dt.datetime.now(dt.UTC).timestamp() * 1000)
        transactions = [Transaction(self._transaction(partition), to, now) for partition, (_, to) in moves.items()]
        transactions += [Transaction(self._transaction(at) + BEGAN, first, now) for at, first in begins.items()]
        properties = CommitProperties(app_transactions=transactions, max_commit_retries=TRIES)
        write_deltalake(table, rows, mode="append", schema_mode="merge", commit_properties=properties)

    def _check_types(self, table: DeltaTable, rows: pl.DataFrame) -> None:
        """Delta's writer would turn values into the table's type as well as it can: 1.5 into 1. It refuses names that
        differ in their case, as if that could pass."""
        there = columns_of(table)
        known = {name.lower(): name for name in there}
        for name, kind in rows.schema.items():
            other = known.get(name.lower(), name)
            if other != name:
                raise ArchiveRefused(
                    f"{self.topic}.{name} differs from the archive's column {other!r} in its case alone; rename it."
                )
            if name in there and not _fits(kind, there[name]):
                raise ArchiveRefused(
                    f"{self.topic}.{name} is {kind} now and {there[name]} in the archive, which keeps one type of each "
                    "column. Give the new type a field of its own, or move the old archive away to begin another."
                )

    def _transaction(self, partition: int) -> str:
        return f"millrace/{self.topic}/{partition}"

    def _looked_at(self) -> DeltaTable:
        if self._table is None:
            raise ArchiveUnavailable(f"The archive of {self.topic} at {self.place} is gone.")
        return self._table

    @property
    def _for_reading(self) -> dict[str, Any] | None:
        """What reads the files wants a number where what writes them wants a text."""
        retries = (self.options or {}).get("max_retries")
        return None if retries is None else {"max_retries": int(retries)}

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Raises ArchiveUnavailable for whatever is raised in the block."""
        try:
            yield
        except Exception as error:  # not all that it raises is a DeltaError
            self._table, self._known = None, {}  # its log may begin later by now: the next look is at all of it
            raise self.unavailable(error) from error

    def unavailable(self, error: Exception) -> ArchiveUnavailable:
        """The error for what Delta, or the object store, says."""
        why = " ".join(_COLOUR.sub("", str(error)).split())  # the object store's client draws a tree in colours
        return ArchiveUnavailable(f"The archive of {self.topic} at {self.place} does not answer: {why}")


def asked(place: str, options: Mapping[str, str] | None) -> dict[str, str] | None:
    """The options by which a place is asked."""
    said = {name.lower() for name in options or {}}
    usual = {name: value for name, value in _ASKED.items() if "://" in place and name not in said}
    return {**usual, **(options or {})} or None


def columns_of(table: DeltaTable) -> pl.Schema:
    """The columns of a table."""
    return pl.DataFrame(pa.schema(table.schema()).empty_table()).schema


def _fits(new: pl.DataType, there: pl.DataType) -> bool:
    """Whether values of a type may be written to a column; a record may have fields that are new, and lack others."""
    if isinstance(new, pl.Struct) and isinstance(there, pl.Struct):
        fields = {item.name: item.dtype for item in there.fields}
        return all(_fits(plain_type(item.dtype), plain_type(fields.get(item.name, item.dtype))) for item in new.fields)
    if isinstance(new, pl.List) and isinstance(there, pl.List):
        return _fits(plain_type(new.inner), plain_type(there.inner))
    return new == there
