"""Dead letters are put back exactly as they were, and none twice by accident."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from confluent_kafka import Consumer as Reader
from confluent_kafka import Message, TopicPartition

from schemas import Codec, EventType, RegistryClient
from schemas.table import MemoryTable
from streams import (
    DeadLetters,
    DeliveryFailed,
    Kafka,
    KafkaTable,
    Letters,
    Producer,
    Rejected,
    Replayed,
    Selection,
    StreamError,
    TopicMissing,
    Topics,
    Wish,
)
from streams.dead_letters.replays import Back, Replays

HEADERS = (("trace", b"\xff\x00"), ("__connect.errors.topic", b"x"), ("empty", None))


@pytest.fixture
def letters(cluster: Kafka, registry: RegistryClient, producer: Producer) -> Letters:
    return Letters(cluster, Codec(registry), lambda: producer, MemoryTable())


def refused(clicks: EventType, *places: tuple[int, int], error: str = "UnknownSchema", **more: Any) -> list[Rejected]:
    return [
        Rejected(clicks.topic, *at, 1_700_000_000_000, f"u{at}".encode(), f"\xff{at}".encode(), error, "no 17", **more)
        for at in places
    ]


def messages(cluster: Kafka, topics: Topics, topic: str) -> list[Message]:
    """All that the log of a topic holds, by partition."""
    ends = topics.ends([topic])
    count = sum(high - low for low, high in ends.values())
    reader = Reader({"bootstrap.servers": cluster.bootstrap, "group.id": "raw"})
    reader.assign([TopicPartition(*at, low) for at, (low, _) in ends.items()])
    found = reader.consume(count, 20) if count else []
    reader.close()
    return sorted(found, key=lambda message: (message.partition() or 0, message.offset() or 0))


def test_a_letter_comes_back_with_its_bytes_key_headers_and_partition_and_nothing_of_ours(
    cluster: Kafka, topics: Topics, producer: Producer, clicks: EventType, letters: Letters
) -> None:
    sent = refused(clicks, (2, 7), (0, 3), headers=HEADERS)
    bare = Rejected(clicks.topic, 3, 1, 1, None, None, "MalformedEvent", "It has no value.")
    DeadLetters(producer).send([*sent, bare])
    assert letters.replay(Wish(clicks.topic), "ann") == Replayed(sent=3)
    found = messages(cluster, topics, clicks.topic)
    assert [(m.partition(), m.key(), m.value(), list(m.headers() or [])) for m in found] == [
        (0, sent[1].key, sent[1].value, list(HEADERS)),
        (2, sent[0].key, sent[0].value, list(HEADERS)),
        (3, None, None, []),
    ]


def test_what_was_late_is_in_the_log_already_and_goes_to_another_topic_alone(
    cluster: Kafka, topics: Topics, producer: Producer, clicks: EventType, letters: Letters
) -> None:
    DeadLetters(producer).send([*refused(clicks, (0, 1), (0, 2), error="LateEvent"), *refused(clicks, (0, 3))])
    for to in (None, clicks.topic):
        assert letters.replay(Wish(clicks.topic, to=to), "ann", dry_run=True) == Replayed(sent=1, late=2)
    other = f"{clicks.topic}-late"
    topics.ensure(other, 1)
    assert letters.replay(Wish(clicks.topic, to=other, selection=Selection("LateEvent")), "ann") == Replayed(sent=2)


def test_no_letter_is_put_back_twice_unless_it_is_said(
    cluster: Kafka, topics: Topics, producer: Producer, clicks: EventType, letters: Letters
) -> None:
    DeadLetters(producer).send(refused(clicks, (0, 1), (0, 2)))
    assert letters.replay(Wish(clicks.topic, limit=1), "ann") == Replayed(sent=1, left=1)
    assert letters.replay(Wish(clicks.topic), "ann") == Replayed(sent=1, before=1)
    DeadLetters(producer).send(refused(clicks, (0, 1), (0, 2), (0, 3)))  # the first two are kept a second time
    assert letters.replay(Wish(clicks.topic), "ann", dry_run=True) == Replayed(sent=1, before=2)
    assert letters.replay(Wish(clicks.topic), "ann") == Replayed(sent=1, before=2)
    assert len(messages(cluster, topics, clicks.topic)) == 3
    assert letters.replay(Wish(clicks.topic, again=True), "ann") == Replayed(sent=3)
    assert len(messages(cluster, topics, clicks.topic)) == 6


def test_those_who_replay_at_the_same_time_put_each_letter_back_once(
    cluster: Kafka, registry: RegistryClient, topics: Topics, producer: Producer, clicks: EventType
) -> None:
    DeadLetters(producer).send(refused(clicks, *((0, at) for at in range(1_200))))
    name = f"replays-{uuid.uuid4().hex[:8]}"
    with ThreadPoolExecutor(3) as several:
        tables = [KafkaTable(cluster, name) for _ in range(3)]
        wishes = [
            several.submit(Letters(cluster, Codec(registry), lambda: producer, table).replay, Wish(clicks.topic), "ann")
            for table in tables
        ]
        done = [wish.result() for wish in wishes]
    for table in tables:
        table.close()
    assert sum(one.sent for one in done) == len(messages(cluster, topics, clicks.topic)) == 1_200
    assert sum(one.sent + one.before + one.unsure for one in done) == 3 * 1_200


def test_what_a_replay_that_died_had_claimed_is_left_out_until_it_is_said(
    cluster: Kafka, registry: RegistryClient, producer: Producer, clicks: EventType
) -> None:
    table = MemoryTable()
    letters = Letters(cluster, Codec(registry), lambda: producer, table)
    DeadLetters(producer).send(refused(clicks, (0, 1), (0, 2), (0, 3)))
    identity = letters.identity(clicks.topic)
    assert Replays(table).claim(Back(clicks.topic, identity, clicks.topic), [0, 1], "ben") is not None
    assert letters.replay(Wish(clicks.topic), "ann") == Replayed(sent=1, unsure=2)
    [group] = letters.counted(clicks.topic).groups
    assert (group.letters, group.replayed, group.unsure) == (3, 1, 2)
    assert letters.replay(Wish(clicks.topic, unsure=True), "ann") == Replayed(sent=2, before=1)
    assert letters.replay(Wish(clicks.topic, unsure=True), "ann") == Replayed(before=3)


def test_a_letter_that_kafka_refuses_is_free_again_or_unsure_and_the_rest_waits(
    cluster: Kafka, registry: RegistryClient, topics: Topics, producer: Producer, clicks: EventType
) -> None:
    small = f"{clicks.topic}-small"
    topics.ensure(small, 1, {"max.message.bytes": "2000"})
    large = Rejected(clicks.topic, 0, 2, 1, None, b"x" * 5_000, "MalformedEvent", "")
    one, other = refused(clicks, (0, 1), (0, 3))
    DeadLetters(producer).send([one, large, other])
    with Producer(Kafka(cluster.bootstrap, {"batch.size": "1000"}), registry) as own:
        letters = Letters(cluster, Codec(registry), lambda: own, MemoryTable())
        done = letters.replay(Wish(clicks.topic, to=small), "ann")
        assert (done.sent, done.failed) == (2, 1)
        assert "MSG_SIZE_TOO_LARGE" in done.problem
        assert letters.replay(Wish(clicks.topic, to=small), "ann") == Replayed(before=2, unsure=1)

    class Refusing(Producer):
        def send_bytes(self, *given: Any, **more: Any) -> None:
            raise DeliveryFailed("the queue is closed")

    with Refusing(cluster, registry) as closed:
        done = Letters(cluster, Codec(registry), lambda: closed, MemoryTable()).replay(Wish(clicks.topic), "ann")
        assert (done.sent, done.failed, done.problem) == (0, 3, "the queue is closed")


def test_to_another_topic_is_another_matter(
    cluster: Kafka, topics: Topics, producer: Producer, clicks: EventType, letters: Letters
) -> None:
    topics.ensure(f"{clicks.topic}-more", 1)
    line = Rejected(clicks.topic, -1, -1, 1, None, b'{"user": 1}', "MalformedEvent", "user: no string")
    DeadLetters(producer).send([line, *refused(clicks, (0, 1))])
    assert letters.replay(Wish(clicks.topic), "ann") == Replayed(sent=1, never_logged=1)
    assert letters.replay(Wish(clicks.topic, to=f"{clicks.topic}-more"), "ann") == Replayed(sent=2)
    assert messages(cluster, topics, f"{clicks.topic}-more")[0].value() == line.value
    with pytest.raises(TopicMissing):
        letters.replay(Wish(clicks.topic, to="nowhere"), "ann")


def test_letters_are_counted_by_reason_and_selected_by_reason_time_and_position(
    producer: Producer, clicks: EventType, letters: Letters
) -> None:
    DeadLetters(producer).send(refused(clicks, (0, 1), (1, 2), (1, 9)))
    DeadLetters(producer).send(refused(clicks, (1, 5), error="MalformedEvent"))
    newest, older = letters.counted(clicks.topic).groups
    assert (newest.why, newest.letters, newest.newest) == ("MalformedEvent: no N", 1, 3)
    assert (older.why, older.letters, older.last_ms >= older.first_ms > 0) == ("UnknownSchema: no N", 3, True)

    def meant(**selection: Any) -> int:
        return letters.replay(Wish(clicks.topic, Selection(**selection)), "ann", dry_run=True).sent

    assert meant(reason="unknownschema") == meant(reason="UnknownSchema: no N") == 3
    assert meant(reason="no 17") == 4
    assert (meant(since_ms=newest.last_ms + 1), meant(until_ms=older.first_ms)) == (0, 0)
    assert (meant(places=((1, (2, 5)),)), meant(numbers=((0, 0), (3, 3)))) == (2, 2)
    assert letters.find(clicks.topic, Selection(numbers=((2, 2),))).place == f"{clicks.topic}/1/9"
    assert letters.find(clicks.topic, Selection(places=((1, (2, 2)),))).number == 1
    with pytest.raises(StreamError, match="no such dead letter"):
        letters.find(clicks.topic, Selection(numbers=((9, 9),)))
    assert letters.counted(clicks.topic, newest=2).skipped == 2


def test_what_the_bytes_mean_is_told_by_the_schema_they_were_written_with(
    registry: RegistryClient, producer: Producer, clicks: EventType, letters: Letters
) -> None:
    event = {"user": "ann", "number": 7}
    good = Codec(registry).encode(registry.register(clicks), clicks, event)
    values = {0: good, 1: good[:-1], -1: b'{"user": 1}'}
    DeadLetters(producer).send(
        [Rejected(clicks.topic, min(at, 0), at, 1, None, value, "MalformedEvent", "") for at, value in values.items()]
    )
    [whole, cut, line] = [letters.find(clicks.topic, Selection(numbers=((at, at),))) for at in range(3)]
    assert letters.decoded(whole) == (event, "")
    assert letters.decoded(cut)[0] is None
    assert "The bytes end inside a number" in letters.decoded(cut)[1]
    assert letters.decoded(line) == ('{"user": 1}', "")
