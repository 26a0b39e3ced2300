"""Settings reach librdkafka, and its errors reach a person."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError

from streams import Kafka, KafkaUnavailable, MemberFenced, StreamError, TopicMissing
from streams.kafka import passes_by_itself, said


def test_options_win_over_defaults_but_not_over_promises() -> None:
    kafka = Kafka("broker:9092", {"linger.ms": "50", "acks": "0", "bootstrap.servers": "elsewhere:1"})
    config = kafka.client({"linger.ms": 5, "retries": 3}, {"acks": "all"})
    assert (config["linger.ms"], config["retries"], config["acks"]) == ("50", 3, "all")
    assert config["bootstrap.servers"] == "broker:9092"


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (KafkaError.UNKNOWN_TOPIC_OR_PART, TopicMissing),
        (KafkaError._UNKNOWN_TOPIC, TopicMissing),
        (KafkaError._TRANSPORT, KafkaUnavailable),
        (KafkaError._MSG_TIMED_OUT, KafkaUnavailable),
        (KafkaError.NOT_LEADER_FOR_PARTITION, KafkaUnavailable),
        (KafkaError.NOT_COORDINATOR, KafkaUnavailable),
        (KafkaError.FENCED_INSTANCE_ID, MemberFenced),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, StreamError),
    ],
)
def test_each_error_says_what_to_do(code: int, kind: type[StreamError]) -> None:
    error = said(KafkaError(code), "Reading from clicks", "clicks")
    assert type(error) is kind
    assert "clicks" in str(error)


def test_a_fenced_member_is_told_apart_although_its_error_does_not_call_itself_fatal() -> None:
    error = KafkaError(KafkaError._FATAL, "Static consumer fenced by other consumer with same group.instance.id")
    assert not error.fatal()
    assert not passes_by_itself(error)
    assert isinstance(said(error, "Reading"), MemberFenced)


def test_a_moved_leader_passes_by_itself() -> None:
    assert passes_by_itself(KafkaError(KafkaError.NOT_LEADER_FOR_PARTITION))
