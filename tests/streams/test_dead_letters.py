"""What was refused is kept whole, with its place and its reason."""

from __future__ import annotations

import os

from confluent_kafka import OFFSET_BEGINNING, Message, TopicPartition
from confluent_kafka import Consumer as Reader

from schemas import Codec, EventType, RegistryClient
from streams import DeadLetters, Kafka, Origin, Producer, Rejected, Topics, dead_letter_topic
from streams.dead_letters.reader import LetterReader
from tests.streams import raw_record
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
    kept = kept_of(cluster, clicks)
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
    DeadLetters(producer, Origin("millrace-shop", 1)).send([letter])
    (message,) = _raw(cluster, clicks.topic, 1)
    assert message.key() == f"{clicks.topic}/3/17".encode()
    assert message.value() == b"\x00bytes"
    assert dict(message.headers() or []) == {
        "__connect.errors.topic": clicks.topic.encode(),
        "__connect.errors.partition": b"3",
        "__connect.errors.offset": b"17",
        "__connect.errors.connector.name": b"millrace-shop",
        "__connect.errors.task.id": b"1",
        "__connect.errors.stage": b"VALUE_CONVERTER",
        "__connect.errors.class.name": b"schemas.codec.Codec",
        "__connect.errors.exception.class.name": b"MalformedEvent",
        "__connect.errors.exception.message": "Prüfung: no".encode(),
        "__connect.errors.exception.stacktrace": "MalformedEvent: Prüfung: no".encode(),
        "millrace.timestamp": b"1700000000000",
        "millrace.key": b"\xff\x00",
    }
    assert kept_of(cluster, clicks) == [letter]


def test_original_headers_are_kept_in_order_even_those_of_the_names_that_ours_have(
    cluster: Kafka, producer: Producer, clicks: EventType, start: Starting
) -> None:
    headers = [
        ("trace", b"\x00\xff"),
        ("__connect.errors.topic", b"another"),
        ("empty", None),
        ("millrace.key", b"no"),
        ("trace", b"2"),
    ]
    producer.send_bytes(clicks.topic, None, b"bad", headers)
    producer.flush()
    [refused] = [item for found in polled(start(Positions()), 1) for item in found.rejected]
    DeadLetters(producer).send([refused])
    assert list(refused.headers) == headers
    assert kept_of(cluster, clicks) == [refused]


def test_a_header_whose_name_no_client_can_read_holds_nothing_up(
    cluster: Kafka, producer: Producer, clicks: EventType, start: Starting
) -> None:
    for number in range(20):  # Python calls more directly what it has called some times
        raw_record.put(cluster.bootstrap, clicks.topic, b"%d" % number, [(b"\xff\xfe", b"x"), (b"trace", b"7")])
    raw_record.put(cluster.bootstrap, clicks.topic, b"worse", [(b"trace", b"7")])
    fetched = polled(start(Positions()), 21)
    refused = [item for found in fetched for item in found.rejected]
    *unreadable, last = [(item.value, item.headers) for item in refused]
    assert unreadable == [(b"%d" % number, ()) for number in range(20)]
    assert last == (b"worse", (("trace", b"7"),))


def test_letters_that_others_put_there_are_read_whatever_they_are_like(
    cluster: Kafka, producer: Producer, clicks: EventType, topics: Topics
) -> None:
    name = dead_letter_topic(clicks.topic)
    topics.ensure(name, 1)
    of_connect = [("__connect.errors.topic", clicks.topic.encode()), ("__connect.errors.partition", b"2")]
    hostile = [("__connect.errors.topic", None), ("__connect.errors.offset", b"9" * 5_000), ("x", b"\xff")]
    producer.send_bytes(name, b"key", b"1", [*of_connect, ("__connect.errors.offset", b"7")])
    producer.send_bytes(name, b"", b"2", hostile)
    producer.send_bytes(name, None, None)
    producer.flush()
    first, second, third = kept_of(cluster, clicks)
    assert (first.partition, first.offset, first.key, first.value, first.headers) == (2, 7, b"key", b"1", ())
    assert (second.offset, second.error, second.topic) == (-1, "Unknown", clicks.topic)
    assert (third.offset, third.value) == (-1, None)


def test_a_letter_that_was_kept_twice_comes_once(cluster: Kafka, producer: Producer, clicks: EventType) -> None:
    one, other = (Rejected(clicks.topic, 0, at, 1, None, b"x", "MalformedEvent", "") for at in (5, 6))
    for _ in range(2):
        DeadLetters(producer).send([one, other])
    assert kept_of(cluster, clicks) == [one, other]
    assert [letter.number for letter in LetterReader(cluster).read(clicks.topic, newest=1)] == [3]


def test_an_event_that_never_reached_the_log_is_kept_too(cluster: Kafka, producer: Producer, clicks: EventType) -> None:
    letters = [Rejected(clicks.topic, -1, -1, -1, None, b'{"user": 1}', "MalformedEvent", "user: no string")] * 2
    DeadLetters(producer).send(letters)
    assert kept_of(cluster, clicks) == letters
    one, other = (message.key() for message in _raw(cluster, clicks.topic, 2))
    assert one != other


def test_the_largest_event_of_a_topic_fits_into_its_dead_letters(
    cluster: Kafka, producer: Producer, clicks: EventType
) -> None:
    letter = Rejected(clicks.topic, 0, 1, 0, b"k" * 1_000, os.urandom(1_048_000), "MalformedEvent", "x" * 5_000)
    DeadLetters(producer).send([letter])
    (kept,) = kept_of(cluster, clicks)
    assert kept.value == letter.value
    assert kept.reason == "x" * 2_000


def test_dead_letters_are_kept_without_a_limit_of_time(
    topics: Topics, cluster: Kafka, producer: Producer, clicks: EventType
) -> None:
    DeadLetters(producer).send([Rejected(clicks.topic, 0, 1, 0, None, b"old", "MalformedEvent", "")])
    assert topics.partitions(dead_letter_topic(clicks.topic)) == 1
    assert [item.value for item in kept_of(cluster, clicks)] == [b"old"]


def test_nothing_refused_is_nothing_sent(cluster: Kafka, producer: Producer, clicks: EventType) -> None:
    DeadLetters(producer).send([])
    assert kept_of(cluster, clicks) == []


def kept_of(cluster: Kafka, clicks: EventType) -> list[Rejected]:
    return [letter.event for letter in LetterReader(cluster).read(clicks.topic)]


def _place(letter: Rejected) -> tuple[int, int]:
    return letter.partition, letter.offset


def _raw(cluster: Kafka, topic: str, count: int) -> list[Message]:
    reader = Reader({"bootstrap.servers": cluster.bootstrap, "group.id": "raw"})
    reader.assign([TopicPartition(dead_letter_topic(topic), 0, OFFSET_BEGINNING)])
    messages = reader.consume(count, 10)
    reader.close()
    return messages
