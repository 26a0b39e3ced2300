"""A topic's archive read as learners take its log: batches of each partition, in the order of their offsets."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator, Mapping, Sequence
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
from streams.archive.table import ArchiveTable
from streams.batch import Batch
from streams.errors import ArchiveRefused, ArchiveUnavailable, TopicMissing

ROWS, BYTES = 500_000, 32 << 20
"""What is read at once: so many rows, and fewer where that would be more bytes of files."""
_FILE = "_file"


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
        sizes = {file: size for file, size, day in table.files() if _overlaps(day, since, until)}
        portions = self._portions(list(sizes))
        self.rows = sum(portion.rows for portion in portions)
        fitting = BYTES * self.rows // (sum(sizes.values()) or 1)
        self._readings = list(readings(portions, max(1, min(at_once, fitting))))
        self.spans = self._spans(portions, partitions, starts or {}, whole=until is None)

    def batches(self) -> Iterator[Archived]:
        """Every event once. The batches of a partition tile its span in order; those of several take turns, and what is
        read next is read while these are used.

        Raises:
            ArchiveUnavailable: the archive does not answer, or an offset is in it twice.
            ArchiveRefused: events lack a field that has no default, or it does not fit.
        """
        positions = {partition: first for partition, (first, _) in self.spans.items()}
        with ThreadPoolExecutor(1, thread_name_prefix="archived") as executor:
            ahead = executor.submit(self._read, self._readings[0]) if self._readings else None
            for following in [*self._readings[1:], None]:
                if ahead is None:
                    break
                frame = ahead.result()
                ahead = None if following is None else executor.submit(self._read, following)
                for partition in frame[PARTITION].unique().sort().to_list():  # `partition_by` takes ten times as long
                    part = frame.filter(pl.col(PARTITION) == partition)
                    found = self._batch(partition, part, positions[partition])
                    positions[partition] = found.batch.next
                    yield found
        for partition, (_, end) in self.spans.items():
            if positions[partition] < end:
                yield self._batch(partition, self._empty, positions[partition], end)

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

    def _read(self, reading: Reading) -> pl.DataFrame:
        frame = self._table.frame_of(reading.files)
        if self._wanted is not None:
            frame = frame.filter(self._wanted)
        if not reading.whole:
            frame = frame.filter(_within(reading.spans))
        with self._table.answering():
            try:
                return read_as(frame, self._event_type).collect()
            except pl.exceptions.InvalidOperationError as error:
                refused = ArchiveRefused(f"Events in the archive of {self._table.topic} do not fit their type: {error}")
        raise refused

    def _portions(self, files: Sequence[str]) -> list[Portion]:
        """What each file has of each partition. Two columns of all of them are read, as the statistics of a file are
        those of all partitions together."""
        if not files:
            return []
        frame = self._table.frame_of(files, _FILE)
        found = (frame if self._wanted is None else frame.filter(self._wanted)).group_by(_FILE, PARTITION)
        offset = pl.col(OFFSET)
        with self._table.answering():
            portions = found.agg(offset.min().alias("first"), offset.max().alias("last"), pl.len().alias("rows"))
            return list(map(Portion._make, portions.collect(engine="streaming").iter_rows()))

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


def _within(spans: Mapping[int, Span]) -> pl.Expr:
    """Of each partition its span; the outermost offsets first, as files say what they have of all partitions."""
    place, offset = pl.col(PARTITION), pl.col(OFFSET)
    each = [(place == partition) & (offset >= first) & (offset < after) for partition, (first, after) in spans.items()]
    lowest, highest = min(first for first, _ in spans.values()), max(after for _, after in spans.values())
    return (offset >= lowest) & (offset < highest) & reduce(or_, each)


def _overlaps(day: dt.date, since: dt.datetime | None, until: dt.datetime | None) -> bool:
    return (since is None or day >= since.astimezone(dt.UTC).date()) and (
        until is None or day <= until.astimezone(dt.UTC).date()
    )
