"""Which days of a topic are archived completely: what waits for fresh events waits for these."""

from __future__ import annotations

import datetime as dt

import polars as pl

from streams.archive.columns import DATE
from streams.archive.table import ArchiveTable
from streams.topics import Topics


def newest_complete_day(table: ArchiveTable, topics: Topics, now: dt.datetime | None = None) -> dt.date | None:
    """The newest day (UTC) that is over and has rows in the archive; None where there is none, or while the log has
    events of days that are over which the archive does not have yet. Blocks.

    Raises:
        ArchiveUnavailable, KafkaUnavailable: one of them does not answer.
        TopicMissing: there is no such topic.
    """
    midnight = (now or dt.datetime.now(dt.UTC)).astimezone(dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if not table.look() or table.snapshot is None:
        return None
    for partition, (low, offset) in topics.offsets_at(table.topic, midnight).items():
        position = table.position(partition)
        if offset > (low if position is None else position):
            return None
    files = pl.DataFrame(table.snapshot.get_add_actions(flatten=True))
    days = files.filter(pl.col("num_records") > 0)[f"partition.{DATE}"]
    return max((day for day in map(_date, days) if day < midnight.date()), default=None)


def _date(value: object) -> dt.date:
    return value if isinstance(value, dt.date) else dt.date.fromisoformat(str(value))
