"""What was refused is kept whole, with its place and its reason."""

from __future__ import annotations

import os

from confluent_kafka import OFFSET_BEGINNING, Message, TopicPartition
from confluent_kafka import Consumer as Reader

from schemas import Codec, EventType, RegistryClient
from streams import DeadLetters, Kafka, Producer, Rejected, Topics, dead_letter_topic, read
from tests.streams.conftest import Positions, Starting, polled


def test_refused_events_are_kept_with_bytes_place_and_reason_and_the_good_ones_arrive(
    cluster: Kafka, registry: RegistryClient, producer: Producer, clicks: EventType, start: Starting
) -> None:
    # Given random bytes, a truncated record and an unknown schema id among good events
    good = Codec(registry).encode(registry.register(clicks), clicks, {"user": "u", "number": 300})
    bad = [os.urandom(40), good[:-1], b"\x00\x7f\xff\xff\xff" + good[5:], b"", None]
    for number in range(20):
        producer.send(clicks, {"user": f"u{number}", "number": number})
        if number < len(bad):
            producer.send_bytes(clicks.topic, f"u{number}".encode(), bad[number])
    producer.flush()
    # When what the consumer refuses is sent to the dead letters
    fetched = polled(start(Positions()), 20 + len(bad))
    refused = [item for found in fetched for item in found.rejected]
    DeadLetters(producer).send(refused)
    # Then all of it is there, exactly, and the good events arrived
    assert sorted(n for item in fetched for n in item.batch.frame["number"]) == list(range(20))
    kept = read(cluster, clicks.topic, 100)
    assert sorted(kept, key=_place) == sorted(refused, key=_place)
    assert sorted((item.value or b"", item.key) for item in kept) == sorted(
        (value or b"", f"u{number}".encode()) for number, value in enumerate(bad)
    )
    assert {item.error for item in kept} <= {"MalformedEvent", "UnknownSchema"}
    assert all(item.reason for item in kept)


def test_headers_are_those_of_kafka_connect_and_the_key_is_the_place(
    cluster: Kafka, producer: Producer, clicks: EventType
) -> None:
    letter = Rejected(
        clicks.topic, 3, 17, 1_700_000_000_000, b"\xff\x00", b"\x00bytes", "MalformedEvent", "Prüfung: no"
    )
    DeadLetters(producer).send([letter])
    (message,) = _raw(cluster, clicks.topic, 1)
    assert message.key() == f"{clicks.topic}/3/17".encode()
    assert message.value() == b"\x00bytes"
    assert dict(message.headers() or []) == {
        "__connect.errors.topic": clicks.topic.encode(),
        "__connect.errors.partition": b"3",
        "__connect.errors.offset": b"17",
        "__connect.errors.exception.class.name": b"MalformedEvent",
        "__connect.errors.exception.message": "Prüfung: no".encode(),
        "millrace.timestamp": b"1700000000000",
        "millrace.key": b"\xff\x00",
    }
    assert read(cluster, clicks.topic, 10) == [letter]


def test_an_event_that_never_reached_the_log_is_kept_too(cluster: Kafka, producer: Producer, clicks: EventType) -> None:
    letters = [Rejected(clicks.topic, -1, -1, -1, None, b'{"user": 1}', "MalformedEvent", "user: no string")] * 2
    DeadLetters(producer).send(letters)
    assert read(cluster, clicks.topic, 10) == letters
    one, other = (message.key() for message in _raw(cluster, clicks.topic, 2))
    assert one != other


def test_the_largest_event_of_a_topic_fits_into_its_dead_letters(
    cluster: Kafka, producer: Producer, clicks: EventType
) -> None:
    letter = Rejected(clicks.topic, 0, 1, 0, b"k" * 1_000, os.urandom(1_048_000), "MalformedEvent", "x" * 5_000)
    DeadLetters(producer).send([letter])
    (kept,) = read(cluster, clicks.topic, 1)
    assert kept.value == letter.value
    assert kept.reason == "x" * 2_000


def test_dead_letters_are_kept_without_a_limit_of_time(
    topics: Topics, cluster: Kafka, producer: Producer, clicks: EventType
) -> None:
    DeadLetters(producer).send([Rejected(clicks.topic, 0, 1, 0, None, b"old", "MalformedEvent", "")])
    assert topics.partitions(dead_letter_topic(clicks.topic)) == 1
    assert [item.value for item in read(cluster, clicks.topic, 1)] == [b"old"]


def test_nothing_refused_is_nothing_sent(cluster: Kafka, producer: Producer, clicks: EventType) -> None:
    DeadLetters(producer).send([])
    assert read(cluster, clicks.topic, 10) == []


def _place(letter: Rejected) -> tuple[int, int]:
    return letter.partition, letter.offset


def _raw(cluster: Kafka, topic: str, count: int) -> list[Message]:
    reader = Reader({"bootstrap.servers": cluster.bootstrap, "group.id": "raw"})
    reader.assign([TopicPartition(dead_letter_topic(topic), 0, OFFSET_BEGINNING)])
    messages = reader.consume(count, 10)
    reader.close()
    return messages
