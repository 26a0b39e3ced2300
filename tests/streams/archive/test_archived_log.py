"""An archive read as learners take the log, from real tables of Delta Lake."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

from schemas import EventType
from streams.archive import ArchivedLog, ArchiveTable, Shelf
from streams.archive.upkeep import Upkeep
from streams.errors import ArchiveRefused, ArchiveUnavailable, TopicMissing
from tests.streams.archive.test_table import COLUMNS, DAY_MS, some

FIELDS = [{"name": "user", "type": "string"}, {"name": "number", "type": "int"}]
DAY = dt.datetime(2024, 10, 4, tzinfo=dt.UTC)
"""Day 20,000."""


def event_type(*more: dict[str, object]) -> EventType:
    return EventType("clicks", {"type": "record", "name": "Click", "fields": [*FIELDS, *more]}, key="user")


@pytest.fixture
def table(each_shelf: Shelf) -> ArchiveTable:
    """Two partitions on two days, of which the log took some events late; the files were joined once."""
    table = each_shelf.table("clicks")
    table.create(COLUMNS)
    table.append(pl.concat([some(5, 10), some(0, 3, 1)]), {0: (None, 10), 1: (None, 4)})
    late, timely = some(12, 14), some(10, 15, day=20_001).filter(~pl.col("_offset").is_in([12, 13]))
    table.append(pl.concat([late, timely]), {0: (10, 15)})
    Upkeep().done(table)
    table.append(pl.concat([some(20, 30, day=20_001), some(4, 9, 1, day=20_001)]), {0: (15, 33), 1: (4, 9)})
    return table


def read(log: ArchivedLog, partition: int = 0) -> list[tuple[int, int, list[int]]]:
    mine = [item.batch for item in log.batches() if item.batch.partition == partition]
    return [(batch.first, batch.next, batch.offsets.tolist()) for batch in mine]


@pytest.mark.parametrize("at_once", [1, 4, 100])
def test_the_batches_of_a_partition_are_its_events_in_order_and_tile_what_is_archived(
    table: ArchiveTable, at_once: int
) -> None:
    log = ArchivedLog(table, event_type(), at_once=at_once)

    assert (log.rows, log.spans) == (28, {0: (5, 33), 1: (0, 9)})
    for partition, (first, end) in log.spans.items():
        found = read(log, partition)
        assert [first, *(after for _, after, _ in found)] == [*(start for start, _, _ in found), end]
        offsets = [offset for _, _, offsets in found for offset in offsets]
        assert offsets == [*range(5, 15), *range(20, 30)] if partition == 0 else [*range(3), *range(4, 9)]
    for batch, timestamps in log.batches():
        assert batch.frame.schema == COLUMNS
        assert batch.frame["number"].to_list() == batch.offsets.tolist()
        assert set(timestamps) <= {20_000 * DAY_MS, 20_001 * DAY_MS}


@pytest.mark.parametrize("at_once", [1, 4, 100])
def test_all_partitions_together_come_in_the_order_of_the_logs_times(table: ArchiveTable, at_once: int) -> None:
    frames = list(ArchivedLog(table, event_type(), at_once=at_once).frames())

    first = [*range(5, 10), 12, 13, *range(3)]
    second = [10, 11, 14, *range(20, 30), *range(4, 9)]
    assert [number for frame in frames for number in frame["number"]] == [*first, *second]
    assert at_once == 100 or len(frames) > 1


def test_from_some_offset_on_some_partitions_or_days_alone(table: ArchiveTable) -> None:
    assert read(ArchivedLog(table, event_type(), [0], {0: 24})) == [(24, 30, [*range(24, 30)]), (30, 33, [])]
    assert read(ArchivedLog(table, event_type(), [0], {0: 40})) == []
    assert ArchivedLog(table, event_type(), [7]).spans == {7: (0, 0)}
    assert read(ArchivedLog(table, event_type(), [0, 1], {1: 2}), 1) == [(2, 9, [2, *range(4, 9)])]
    first = ArchivedLog(table, event_type(), until=DAY + dt.timedelta(days=1))
    assert read(first) == [(5, 14, [*range(5, 10), 12, 13])]
    assert ArchivedLog(table, event_type(), since=DAY + dt.timedelta(days=1)).rows + first.rows == 28


def test_an_event_that_is_older_than_a_field_has_its_default(table: ArchiveTable) -> None:
    with pytest.raises(ArchiveRefused, match="at offset 5 was archived without stars"):
        list(ArchivedLog(table, event_type({"name": "stars", "type": "float"}), [0]).batches())

    stars = some(33, 34, stars=pl.Series([4.5])).rename({"number": "count"})
    table.append(stars.with_columns(number=pl.lit(None, pl.Int64)), {0: (33, 34)})
    renamed = {"name": "count", "type": "int", "aliases": ["number"]}
    newer = {"name": "stars", "type": "float", "default": 3.0}
    schema = {"type": "record", "name": "Click", "fields": [FIELDS[0], renamed, newer]}

    frame = pl.concat([item.batch.frame for item in ArchivedLog(table, EventType("clicks", schema), [0]).batches()])

    assert frame.schema == {"user": pl.String, "count": pl.Int32, "stars": pl.Float32}
    assert frame["count"].to_list() == [*range(5, 15), *range(20, 30), 33]
    assert frame["stars"].to_list() == [3.0] * 20 + [4.5]


def test_what_does_not_fit_its_type_or_is_there_twice_is_refused(table: ArchiveTable, each_shelf: Shelf) -> None:
    table.append(some(33, 34).with_columns(number=pl.lit(2**40)), {0: (33, 34)})
    with pytest.raises(ArchiveRefused, match="do not fit their type"):
        list(ArchivedLog(table, event_type()).batches())

    table.append(some(8, 9, 1), {1: (9, 10)})
    with pytest.raises(ArchiveUnavailable, match="events of partition 1 twice"):
        list(ArchivedLog(table, event_type(), [1]).batches())
    with pytest.raises(TopicMissing):
        ArchivedLog(each_shelf.table("none"), event_type())
