"""A topic's events as one lazy frame: what is archived, and what is still in Kafka alone."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from contextlib import closing

import numpy as np
import polars as pl
from confluent_kafka import Consumer as Client
from confluent_kafka import Message, TopicPartition

from schemas import Codec, EventType
from streams.archive.columns import DATE, TIMESTAMP, archived_schema, read_as, rows
from streams.archive.pseudonyms import hidden, must_hide
from streams.archive.table import ArchiveTable
from streams.errors import ArchiveBehind, TopicMissing
from streams.fetched import decode
from streams.held import Stretch, runs
from streams.kafka import LOGGER, Kafka, log_client_error
from streams.topic_reader import READING, messages_until
from streams.topics import Topics

AT_ONCE = 20_000
_READING = {**READING, "group.id": "millrace-scan", "auto.offset.reset": "error"}


def scan(
    table: ArchiveTable,
    event_type: EventType,
    kafka: Kafka | None,
    codec: Codec,
    since: dt.datetime | None = None,
    until: dt.datetime | None = None,
    timeout: float = 10.0,
    archived: bool = True,
    where: Mapping[str, str] | None = None,
) -> pl.LazyFrame:
    """Each event of the topic that was in the log when this was called, once.

    The archive is read lazily, in the snapshot of this call; what the archive does not have yet is read from Kafka now,
    from where that snapshot ends, and kept in memory. Blocks for the latter.

    Args:
        event_type: as it is registered now; older events have its defaults in fields that they did not have, or null.
        kafka: None = the archive alone.
        archived: False = the log alone, from its beginning.
        since, until: by the log's time, with a time zone; until is excluded.
        where: only events that have these values in these fields; of a field that is kept as a pseudonym, the value
            that it stands for.

    Returns:
        the columns of the event type, then `_partition`, `_offset` and `_timestamp` (the log's time). In no order:
        sort by `_partition` and `_offset` for that of the log.

    Raises:
        ArchiveBehind: the log begins after where the archive ends: there are events that neither has.
        ArchiveUnavailable, KafkaUnavailable: one of them does not answer.
        TopicMissing: there is neither an archive nor such a topic.
        ArchiveRefused: events have fields that are kept as pseudonyms, and the archive has no key for these; or the
            topic was made anew, and the archive is of the one before.
    """
    must_hide(event_type, table.pseudonyms)
    schema = pl.Schema(archived_schema(event_type.frame_schema, event_type.topic))
    parts = []
    if archived and table.look():
        parts.append(read_as(_bounded(table.frame(), since, until), event_type))
    elif kafka is None:
        raise TopicMissing(event_type.topic)
    if kafka is not None:
        fresh = list(_fresh(table, event_type, kafka, codec, timeout))
        tail = pl.concat(fresh, rechunk=False) if fresh else pl.DataFrame(schema=schema)
        parts.append(read_as(_bounded(tail.lazy(), since, until), event_type))
    return pl.concat(parts).filter(*(_has(event_type, table, *one) for one in (where or {}).items()))


def _has(event_type: EventType, table: ArchiveTable, field: str, value: str) -> pl.Expr:
    hides = table.pseudonyms is not None and field in event_type.hashed
    return pl.col(field).is_in(table.pseudonyms.every(value)) if hides and table.pseudonyms else pl.col(field) == value


def _bounded(frame: pl.LazyFrame, since: dt.datetime | None, until: dt.datetime | None) -> pl.LazyFrame:
    if since is not None:
        frame = frame.filter(pl.col(DATE) >= since.astimezone(dt.UTC).date(), pl.col(TIMESTAMP) >= since)
    if until is not None:
        frame = frame.filter(pl.col(DATE) <= until.astimezone(dt.UTC).date(), pl.col(TIMESTAMP) < until)
    return frame


def _fresh(
    table: ArchiveTable, event_type: EventType, kafka: Kafka, codec: Codec, timeout: float
) -> Iterator[pl.DataFrame]:
    """What stands in the log behind the archive, up to its end now."""
    topic = event_type.topic
    with closing(Topics(kafka, timeout)) as topics:
        if table.topic_id is not None:
            table.must_be_of(topics.identity(topic))
        ends = {partition: span for (_, partition), span in topics.ends([topic]).items()}
    starts = {partition: _start(table, topic, partition, *span) for partition, span in ends.items()}
    left = {partition: high for partition, (_, high) in ends.items() if starts[partition] < high}
    client = Client(kafka.client(_READING, {"error_cb": log_client_error}), logger=LOGGER)
    try:
        client.assign([TopicPartition(topic, partition, starts[partition]) for partition in left])
        for messages in messages_until(client, topic, left, timeout, AT_ONCE):
            for (_, partition), mine in runs(messages, of_one=True):
                offsets = np.fromiter(map(Message.offset, mine), np.int64, len(mine))
                found = decode(None, Stretch(mine, offsets), codec, event_type)
                frame = hidden(found.batch.frame, event_type, table.pseudonyms)
                yield rows(frame, partition, found.batch.offsets, found.timestamps)
    finally:
        client.close()


def _start(table: ArchiveTable, topic: str, partition: int, low: int, high: int) -> int:
    position = table.position(partition)
    if position is None:
        return low
    if not low <= position <= high:
        raise ArchiveBehind(topic, partition, position, low, high)
    return position
