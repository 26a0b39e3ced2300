"""Kafka in and out: events as frames, and what could not be read as dead letters. Knows nothing of models.

May import `schemas` and Kafka's client; no other room imports that client. Start reading at `batch.py` (what learners
are given), then `consumer.py` and `producer.py`.
"""

from streams.batch import Batch
from streams.consumer import Consumer
from streams.dead_letters import DeadLetters, dead_letter_topic, read
from streams.errors import (
    DeliveryFailed,
    KafkaUnavailable,
    MemberFenced,
    PositionOutsideLog,
    StreamError,
    TopicMissing,
)
from streams.fetched import Fetched
from streams.kafka import Kafka
from streams.murmur2 import partition_of
from streams.owner import Owner
from streams.producer import Producer
from streams.record_log import KafkaRecordLog
from streams.rejected import Rejected
from streams.table import KafkaTable
from streams.topic_reader import read_topic
from streams.topics import Topics

__all__ = [
    "Batch",
    "Consumer",
    "DeadLetters",
    "DeliveryFailed",
    "Fetched",
    "Kafka",
    "KafkaRecordLog",
    "KafkaTable",
    "KafkaUnavailable",
    "MemberFenced",
    "Owner",
    "PositionOutsideLog",
    "Producer",
    "Rejected",
    "StreamError",
    "TopicMissing",
    "Topics",
    "dead_letter_topic",
    "partition_of",
    "read",
    "read_topic",
]
