"""A topic read once, from a moment to its end."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from schemas import Codec, EventType, RegistryClient
from streams import Kafka, Producer, TopicMissing, read_topic
from tests.streams.conftest import CLICK, sent


def numbers(frames: list[pl.DataFrame]) -> list[int]:
    return sorted(number for frame in frames for number in frame["number"])


def test_it_reads_what_there_is_from_a_moment_on_and_ends(
    cluster: Kafka, registry: RegistryClient, producer: Producer, clicks: EventType
) -> None:
    began = datetime.now(UTC)
    sent(producer, clicks, range(100))
    time.sleep(0.02)  # the log's times are whole milliseconds: what follows has a later one, however long this takes
    between = datetime.now(UTC)
    time.sleep(0.02)
    sent(producer, clicks, range(100, 150))
    codec = Codec(registry)

    assert numbers(list(read_topic(cluster, codec, clicks, began - timedelta(hours=1)))) == list(range(150))
    assert numbers(list(read_topic(cluster, codec, clicks, between))) == list(range(100, 150))
    assert list(read_topic(cluster, codec, clicks, datetime.now(UTC) + timedelta(hours=1))) == []


def test_an_empty_topic_gives_nothing_and_a_missing_one_is_told(
    cluster: Kafka, registry: RegistryClient, clicks: EventType
) -> None:
    codec, since = Codec(registry), datetime.now(UTC)

    assert list(read_topic(cluster, codec, clicks, since)) == []
    with pytest.raises(TopicMissing):
        list(read_topic(cluster, codec, EventType("nobody-made-this", CLICK, key="user"), since))
