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


def test_what_follows_from_topics_is_kept_as_long_as_they_are_and_said_where_it_is_not(
    topics: Topics, caplog: pytest.LogCaptureFixture
) -> None:
    short, long, compacted, made, usual, declared = (uuid.uuid4().hex for _ in range(6))
    topics.ensure(short, 1, {"retention.ms": "60000"})
    topics.ensure(long, 2, {"retention.ms": "7200000", "retention.bytes": "3000000"})
    topics.ensure(compacted, 1, {"cleanup.policy": "compact"})
    topics.ensure(usual, 1)
    topics.ensure_following(made, 4, [short, long, "nowhere"])
    topics.ensure_following(declared, 1, [short], {"retention.ms": "-1"})
    kept = {name: str(item) for name, item in topics.retentions([short, long, compacted, made, declared]).items()}
    assert kept == {
        short: "1 minute",
        long: "2 hours or 6 MB",
        compacted: "without end",
        made: "2 hours",
        declared: "without end",
    }
    assert topics.retentions([usual])[usual].own == set()
    with caplog.at_level(logging.WARNING):
        topics.ensure_following(made, 4, [short])
        assert caplog.text == ""
        topics.ensure_following(made, 4, [compacted])
    assert f"{made} keeps its events 2 hours, and those that they follow from, in {compacted}, stay without end" in (
        caplog.text
    )
