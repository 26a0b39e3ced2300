"""A topic's archive read as learners take its log: batches of each partition, in the order of their offsets."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import reduce
from operator import or_
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from schemas import EventType
from streams.archive.columns import OFFSET, PARTITION, TIMESTAMP, read_as
from streams.archive.course import Portion, Reading, Span, readings
from streams.archive.table import ArchiveFile, ArchiveTable
from streams.batch import Batch
from streams.errors import ArchiveRefused, ArchiveUnavailable, TopicMissing

ROWS, BYTES = 500_000, 32 << 20
"""What is read at once: so many rows, and fewer where that would be more bytes of files."""
_FILE = "_file"
_ALL = 0
"""The partition that times are taken for."""


class Archived(NamedTuple):
    """A batch from an archive.

    Attributes:
        timestamps: when the log took each event, in milliseconds since 1970.
    """

    batch: Batch
    timestamps: NDArray[np.int64]


class ArchivedLog:
    """What the archive holds of a topic when this is made: one snapshot, whatever is archived or tidied meanwhile (its
    files are kept for a day at least). Blocks.

    Args:
        event_type: how the events are read; a field that the archive does not have, or that is null where it cannot be,
            has its default, as an event of an older schema has that live.
        partitions: which; None = all.
        starts: by partition the first offset wanted; left out, the first that is archived.
        since, until: by the time at which the log took the events, with a time zone; until is excluded.
        at_once: rows that are read at once, twice that are in memory.

    Attributes:
        spans: by partition, the first offset and the one behind the last that are read here. Without `until` that is
            the archive's position: what it does not hold before it could not be read, or was skipped.
        rows: how many events are read here.

    Raises:
        TopicMissing: there is no archive of it.
        ArchiveUnavailable: it does not answer.
    """

    def __init__(
        self,
        table: ArchiveTable,
        event_type: EventType,
        partitions: Collection[int] | None = None,
        starts: Mapping[int, int] | None = None,
        since: dt.datetime | None = None,
        until: dt.datetime | None = None,
        at_once: int = ROWS,
    ) -> None:
        if not table.look():
            raise TopicMissing(event_type.topic)
        self._table, self._event_type = table, event_type
        self._wanted = _wanted(partitions, starts or {}, since, until)
        files = [item for item in table.files() if _overlaps(item.day, since, until)]
        portions, times = self._portions([item.place for item in files])
        self.rows = sum(portion.rows for portion in portions)
        self._mixed = _mixed(files, portions)
        fitting = BYTES * self.rows // (sum(item.size for item in files) or 1)
        self._readings = list(readings(portions, max(1, min(at_once, fitting))))
        self._by_time = list(readings(times, max(1, min(at_once, fitting))))
        self.spans = self._spans(portions, partitions, starts or {}, whole=until is None)

    def batches(self) -> Iterator[Archived]:
        """Every event once. The batches of a partition tile its span in order; those of several take turns, and what is
        read next is read while these are used.

        Raises:
            ArchiveUnavailable: the archive does not answer, or an offset is in it twice.
            ArchiveRefused: events lack a field that has no default, or it does not fit.
        """
        positions = {partition: first for partition, (first, _) in self.spans.items()}
        for frame in self._read_ahead(self._readings, _within):
            for partition in frame[PARTITION].unique().sort().to_list():  # `partition_by` takes ten times as long
                part = frame.filter(pl.col(PARTITION) == partition)
                found = self._batch(partition, part, positions[partition])
                positions[partition] = found.batch.next
                yield found
        for partition, (_, end) in self.spans.items():
            if positions[partition] < end:
                yield self._batch(partition, self._empty, positions[partition], end)

    def frames(self) -> Iterator[pl.DataFrame]:
        """Every event once, in the order of the log's times, those of one moment by partition and offset: for who wants
        all of them in one order, or by another key. Raises as `batches` does."""
        for frame in self._read_ahead(self._by_time, _while):
            self._check_missing(frame)
            yield frame.sort(TIMESTAMP, PARTITION, OFFSET).select(list(self._event_type.frame_schema))

    def _read_ahead(
        self, planned: Sequence[Reading], wanted: Callable[[Mapping[int, Span]], pl.Expr]
    ) -> Iterator[pl.DataFrame]:
        with ThreadPoolExecutor(1, thread_name_prefix="archived") as executor:
            ahead = executor.submit(self._read, planned[0], wanted) if planned else None
            for following in [*planned[1:], None]:
                if ahead is None:
                    break
                frame = ahead.result()
                ahead = None if following is None else executor.submit(self._read, following, wanted)
                yield frame

    @property
    def _empty(self) -> pl.DataFrame:
        own = {OFFSET: pl.Int64(), TIMESTAMP: pl.Datetime("us", "UTC")}
        return pl.DataFrame(schema={**self._event_type.frame_schema, **own})

    def _batch(self, partition: int, part: pl.DataFrame, first: int, end: int | None = None) -> Archived:
        if not part[OFFSET].is_sorted():
            part = part.sort(OFFSET)
        offsets = part[OFFSET].to_numpy()
        if len(offsets) and (offsets[0] < first or (np.diff(offsets) <= 0).any()):
            raise ArchiveUnavailable(
                f"The archive of {self._table.topic} at {self._table.place} has events of partition {partition} twice, "
                f"between the offsets {offsets[0]} and {offsets[-1]}; something else than Millrace has written to it."
            )
        self._check_missing(part)
        frame = part.select(list(self._event_type.frame_schema))
        after = int(offsets[-1]) + 1 if end is None else end
        batch = Batch(self._event_type.topic, partition, first, after, frame, offsets)
        return Archived(batch, part[TIMESTAMP].dt.timestamp("ms").to_numpy())

    def _check_missing(self, part: pl.DataFrame) -> None:
        for field in self._event_type.shape.fields:
            nullable = field.type.optional is not None or field.type.kind == "null"
            if not nullable and part[field.name].null_count():
                at = part.filter(pl.col(field.name).is_null())[OFFSET][0]
                raise ArchiveRefused(
                    f"The event of {self._table.topic} at offset {at} was archived without {field.name}, which the "
                    "event type neither leaves out nor has a default for; give it one."
                )

    def _read(self, reading: Reading, wanted: Callable[[Mapping[int, Span]], pl.Expr]) -> pl.DataFrame:
        frame = self._table.frame_of(reading.files)
        if self._wanted is not None and not self._mixed.isdisjoint(reading.files):
            frame = frame.filter(self._wanted)  # costs as much as the reading
        if not reading.whole:
            frame = frame.filter(wanted(reading.spans))
        with self._table.answering():
            try:
                return read_as(frame, self._event_type).collect()
            except pl.exceptions.InvalidOperationError as error:
                refused = ArchiveRefused(f"Events in the archive of {self._table.topic} do not fit their type: {error}")
        raise refused

    def _portions(self, files: Sequence[str]) -> tuple[list[Portion], list[Portion]]:
        """What each file has of each partition; and of the log's times, as if they were offsets of one partition. Three
        columns of all files are read, as a file's statistics are those of all partitions together."""
        if not files:
            return [], []
        frame = self._table.frame_of(files, _FILE)
        found = (frame if self._wanted is None else frame.filter(self._wanted)).group_by(_FILE, PARTITION)
        offset, moment = pl.col(OFFSET), pl.col(TIMESTAMP).cast(pl.Int64)
        with self._table.answering():
            portions = found.agg(
                offset.min().alias("first"),
                offset.max().alias("last"),
                pl.len().alias("rows"),
                moment.min().alias("since"),
                moment.max().alias("until"),
            ).collect(engine="streaming")
        times = portions.group_by(_FILE).agg(
            pl.lit(_ALL).alias(PARTITION), pl.col("since").min(), pl.col("until").max(), pl.col("rows").sum()
        )
        return list(map(Portion._make, portions[:, :5].iter_rows())), list(map(Portion._make, times.iter_rows()))

    def _spans(
        self, portions: Sequence[Portion], partitions: Collection[int] | None, starts: Mapping[int, int], whole: bool
    ) -> dict[int, Span]:
        mine: dict[int, list[Portion]] = {partition: [] for partition in partitions or ()}
        for portion in portions:
            mine.setdefault(portion.partition, []).append(portion)
        spans: dict[int, Span] = {}
        for partition in sorted(mine):
            first = starts.get(partition, min((item.first for item in mine[partition]), default=0))
            after = max((item.last + 1 for item in mine[partition]), default=first)
            position = self._table.position(partition) if whole else None
            spans[partition] = first, max(after, position or 0)
        return spans


def _wanted(
    partitions: Collection[int] | None,
    starts: Mapping[int, int],
    since: dt.datetime | None,
    until: dt.datetime | None,
) -> pl.Expr | None:
    place, offset, moment = pl.col(PARTITION), pl.col(OFFSET), pl.col(TIMESTAMP)
    found = [] if partitions is None else [place.is_in(list(partitions))]
    found += [(place != partition) | (offset >= first) for partition, first in starts.items()]
    found += [] if since is None else [moment >= since]
    found += [] if until is None else [moment < until]
    return pl.all_horizontal(found) if found else None


def _mixed(files: Sequence[ArchiveFile], portions: Sequence[Portion]) -> set[str]:
    """The files of which not every row is in these portions; one that does not say how many it has is among them."""
    wanted: Counter[str] = Counter()
    for portion in portions:
        wanted[portion.file] += portion.rows
    return {item.place for item in files if item.rows != wanted[item.place]}


def _within(spans: Mapping[int, Span]) -> pl.Expr:
    """Of each partition its span; the outermost offsets first, as files say what they have of all partitions."""
    place, offset = pl.col(PARTITION), pl.col(OFFSET)
    each = [(place == partition) & (offset >= first) & (offset < after) for partition, (first, after) in spans.items()]
    lowest, highest = min(first for first, _ in spans.values()), max(after for _, after in spans.values())
    return (offset >= lowest) & (offset < highest) & reduce(or_, each)


def _while(spans: Mapping[int, Span]) -> pl.Expr:
    """What the log has taken within a span of time."""
    first, after = spans[_ALL]
    moment = pl.col(TIMESTAMP)
    since, until = (pl.lit(at).cast(pl.Datetime("us", "UTC")) for at in (first, after))
    return (moment >= since) & (moment < until)


def _overlaps(day: dt.date, since: dt.datetime | None, until: dt.datetime | None) -> bool:
    return (since is None or day >= since.astimezone(dt.UTC).date()) and (
        until is None or day <= until.astimezone(dt.UTC).date()
    )
