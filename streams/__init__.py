"""Kafka in and out: events as frames, and what could not be read as dead letters. Knows nothing of models.

May import `schemas` and Kafka's client; no other room imports that client. Start reading at `batch.py` (what learners
are given), then `consumer.py` and `producer.py`.
"""

from streams.batch import Batch
from streams.consumer import Consumer
from streams.dead_letters.dead_letters import DeadLetters, dead_letter_topic
from streams.dead_letters.groups import Group
from streams.dead_letters.headers import Origin, headers_in
from streams.dead_letters.letter import Letter
from streams.dead_letters.letters import Counted, Letters
from streams.dead_letters.replaying import Replayed, Wish
from streams.dead_letters.selection import Selection
from streams.deliveries import Deliveries, OnDelivery
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
from streams.looking import Looking
from streams.murmur2 import partition_of
from streams.owner import Owner
from streams.producer import Producer
from streams.record_log import KafkaRecordLog
from streams.rejected import Rejected
from streams.sources import MOST as MOST_EMITTED
from streams.sources import Source, Sources, without_source
from streams.stops import Stop, Stops
from streams.table import KafkaTable
from streams.topic_reader import read_topic
from streams.topics import Topics

__all__ = [
    "MOST_EMITTED",
    "Batch",
    "Consumer",
    "Counted",
    "DeadLetters",
    "Deliveries",
    "DeliveryFailed",
    "Fetched",
    "Group",
    "Kafka",
    "KafkaRecordLog",
    "KafkaTable",
    "KafkaUnavailable",
    "Letter",
    "Letters",
    "Looking",
    "MemberFenced",
    "OnDelivery",
    "Origin",
    "Owner",
    "PositionOutsideLog",
    "Producer",
    "Rejected",
    "Replayed",
    "Selection",
    "Source",
    "Sources",
    "Stop",
    "Stops",
    "StreamError",
    "TopicMissing",
    "Topics",
    "Wish",
    "dead_letter_topic",
    "headers_in",
    "partition_of",
    "read_topic",
    "without_source",
]
