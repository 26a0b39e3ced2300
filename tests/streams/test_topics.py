"""Topics are made once and measured truly."""

from __future__ import annotations

import logging
import uuid

import pytest

from schemas import EventType
from streams import Kafka, KafkaUnavailable, Producer, TopicMissing, Topics
from tests.streams.conftest import sent


def test_ensuring_twice_makes_one_topic(topics: Topics) -> None:
    name = uuid.uuid4().hex
    assert topics.ensure(name, 3) == 3
    assert topics.ensure(name, 3) == 3
    assert topics.partitions(name) == 3
    assert name in topics.names()


def test_another_partition_count_is_said_and_left_alone(topics: Topics, caplog: pytest.LogCaptureFixture) -> None:
    name = uuid.uuid4().hex
    topics.ensure(name, 2)
    with caplog.at_level(logging.WARNING):
        assert topics.ensure(name, 5) == 2
    assert f"{name} has 2 partitions, not 5" in caplog.text


def test_ends_tell_where_each_partition_begins_and_ends(topics: Topics, producer: Producer, clicks: EventType) -> None:
    assert topics.ends([clicks.topic]) == {(clicks.topic, partition): (0, 0) for partition in range(4)}
    sent(producer, clicks, range(100))
    ends = topics.ends([clicks.topic])
    assert sum(high for _, high in ends.values()) == 100
    assert {low for low, _ in ends.values()} == {0}


def test_a_missing_topic_is_named(topics: Topics) -> None:
    with pytest.raises(TopicMissing, match="'nowhere'"):
        topics.partitions("nowhere")
    with pytest.raises(TopicMissing, match="'nowhere'"):
        topics.ends(["nowhere"])
    assert "nowhere" not in topics.names()


def test_an_absent_broker_is_said_within_the_timeout() -> None:
    topics = Topics(Kafka("127.0.0.1:1"), timeout=0.3)
    with pytest.raises(KafkaUnavailable, match=r"127\.0\.0\.1:1"):
        topics.names()
    with pytest.raises(KafkaUnavailable, match="Is Kafka running, and is the setting `kafka`"):
        topics.ensure("clicks")
