"""Reads what a topic holds now, from a moment on, once: for evaluations, not for learners."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import polars as pl
from confluent_kafka import Consumer as Client
from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from schemas import Codec, EventType
from streams.errors import KafkaUnavailable
from streams.kafka import LOGGER, Kafka, log_client_error, passes_by_itself, said
from streams.topics import Topics

AT_ONCE = 10_000
"""Messages that are decoded together."""
READING: dict[str, Any] = {
    "group.id": "millrace-topic-reader",  # required by the client; no group is joined
    "enable.auto.commit": False,
    "enable.partition.eof": True,
    "auto.offset.reset": "earliest",
}
"""What every client is told that reads a topic once, from where it is assigned to, up to its end."""
_PROMISES = {"isolation.level": "read_committed"}


def read_topic(
    kafka: Kafka, codec: Codec, event_type: EventType, since: datetime, timeout: float = 10.0
) -> Iterator[pl.DataFrame]:
    """The events that the log took from `since` on and up to this call, in frames, in order within a partition.

    Events that cannot be decoded are left out: they are among the dead letters. Blocks.

    Raises:
        TopicMissing, KafkaUnavailable: it cannot be read; the latter also when nothing comes for `timeout` seconds.
    """
    topic = event_type.topic
    topics = Topics(kafka, timeout)
    try:
        ends = {partition: high for (_, partition), (_, high) in topics.ends([topic]).items()}
    finally:
        topics.close()
    client = Client(kafka.client(READING, {**_PROMISES, "error_cb": log_client_error}), logger=LOGGER)
    try:
        places = _from(client, topic, ends, since, timeout)
        client.assign(places)
        left = {place.partition: ends[place.partition] for place in places}
        for messages in messages_until(client, topic, left, timeout, AT_ONCE):
            decoded = codec.decode_batch([message.value() for message in messages], event_type)
            if decoded.frame.height:
                yield decoded.frame
    finally:
        client.close()


def _from(client: Client, topic: str, ends: dict[int, int], since: datetime, timeout: float) -> list[TopicPartition]:
    """Where each partition begins to be read; those without an event since then are left out."""
    moment = round(since.timestamp() * 1000)
    wanted = [TopicPartition(topic, partition, moment) for partition in ends]
    try:
        found = client.offsets_for_times(wanted, timeout=timeout)
    except KafkaException as failure:
        raise said(failure.args[0], f"Looking for a time in {topic}", topic) from failure
    return [place for place in found if 0 <= place.offset < ends[place.partition]]


def messages_until(
    client: Client, topic: str, ends: Mapping[int, int], timeout: float, at_once: int
) -> Iterator[list[Message]]:
    """Messages of a topic that a client is assigned to, up to the ends of its partitions, at most so many at once.

    Raises:
        KafkaUnavailable: nothing comes for `timeout` seconds.
    """
    left, moved = set(ends), time.monotonic()
    while left:
        found: list[Message] = []
        for message in client.consume(at_once, 0.1):
            partition, offset, error = int(message.partition() or 0), int(message.offset() or 0), message.error()
            if error is None:
                at_end = offset + 1 >= ends[partition]
                if offset < ends[partition]:
                    found.append(message)
            else:
                at_end = error.code() == KafkaError._PARTITION_EOF
                if not at_end and not passes_by_itself(error):
                    raise said(error, f"Reading {topic}", topic)
            if at_end:
                left.discard(partition)
                moved = time.monotonic()
        if found:
            yield found
            moved = time.monotonic()
        elif time.monotonic() - moved > timeout:
            raise KafkaUnavailable(f"{topic} could not be read to its end: nothing came for {timeout:g} s.")
