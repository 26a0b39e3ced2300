"""Events arrive once, in order, where their key belongs; what does not arrive is said."""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict
from contextlib import closing

import pytest

from schemas import Event, EventType, MalformedEvent, RegistryClient
from streams import (
    Consumer,
    DeliveryFailed,
    Kafka,
    KafkaUnavailable,
    Producer,
    StreamError,
    Topics,
    partition_of,
)
from streams import producer as streams_producer
from tests.streams.conftest import CLICK, Positions, Starting, polled, sent
from tests.waiting import until


def test_events_make_the_round_trip_on_the_partitions_that_java_would_choose(
    producer: Producer, clicks: EventType, start: Starting
) -> None:
    sent(producer, clicks, range(500), users=120)
    fetched = polled(start(Positions()), 500)
    rows = [(item.batch.partition, row) for item in fetched for row in item.batch.frame.iter_rows(named=True)]
    assert {partition for partition, _ in rows} == {0, 1, 2, 3}
    assert all(partition == partition_of(row["user"].encode(), 4) for partition, row in rows)
    assert sorted(row["number"] for _, row in rows) == list(range(500))


def test_events_of_one_key_keep_their_order(producer: Producer, clicks: EventType, start: Starting) -> None:
    sent(producer, clicks, range(2_000), users=7)
    numbers = defaultdict(list)
    for item in polled(start(Positions()), 2_000):
        for user, number in item.batch.frame.select("user", "number").iter_rows():
            numbers[user].append(number)
    assert all(mine == sorted(mine) for mine in numbers.values())
    assert sum(map(len, numbers.values())) == 2_000


def test_an_empty_key_is_a_key(producer: Producer, clicks: EventType) -> None:
    arrived: list[int] = []
    for _ in range(10):
        producer.send_bytes(
            clicks.topic, b"", b"", on_delivery=lambda error, partition, offset: arrived.append(partition)
        )
    producer.flush()
    assert arrived == [partition_of(b"", 4)] * 10


def test_the_sender_is_told_partition_and_offset(producer: Producer, clicks: EventType) -> None:
    told: list[tuple[Exception | None, int, int]] = []
    for number in range(3):
        producer.send(clicks, {"user": "u", "number": number}, lambda *report: told.append(report))
    producer.flush()
    assert told == [(None, partition_of(b"u", 4), offset) for offset in range(3)]
    assert producer.pending == 0


def test_the_sender_of_a_typed_event_is_told_too(producer: Producer, clicks: EventType) -> None:
    class Typed(Event, topic=clicks.topic, key="user"):
        user: str
        number: int

    told: list[tuple[Exception | None, int, int]] = []
    producer.emit(Typed("u", 1), lambda *report: told.append(report))
    producer.flush()
    assert told == [(None, partition_of(b"u", 4), 0)]


def test_an_event_can_be_offered_by_its_body_once_its_type_is_known_and_arrives_as_any_other(
    cluster: Kafka, registry_url: str, clicks: EventType, start: Starting
) -> None:
    told: list[tuple[Exception | None, int, int]] = []

    def offered(producer: Producer, number: int) -> bool:
        body = clicks.writer.write({"user": "u", "number": number}, clicks.topic)
        return producer.offer(clicks, body, b"u", lambda *report: told.append(report))

    registry = RegistryClient(registry_url)
    with closing(registry), Producer(cluster, registry) as producer:
        assert not offered(producer, 0)
        producer.flush()
        assert (producer.pending, told) == (0, [])
        producer.send(clicks, {"user": "u", "number": 1})
        assert offered(producer, 2)
        producer.flush()
    assert told == [(None, partition_of(b"u", 4), 1)]
    [first, *others] = [row for item in polled(start(Positions()), 2) for row in item.batch.frame.iter_rows(named=True)]
    assert others == [{**first, "number": 2}]
    assert (first["user"], first["number"]) == ("u", 1)


async def test_acknowledgements_are_taken_on_the_event_loop_that_says_so_whatever_goes_wrong_with_one(
    cluster: Kafka, registry: RegistryClient, clicks: EventType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams_producer, "LEFT_ALONE", 600.0)  # for as long as this machine may stand still
    threads: list[int] = []

    def wrong(*of: object) -> None:
        raise ZeroDivisionError("in somebody's callback")

    with Producer(cluster, registry) as producer:
        acknowledging = asyncio.create_task(producer.acknowledge())
        while set(threads) != {threading.get_ident()}:  # its own thread may still be about to take some
            threads.clear()
            producer.send(clicks, {"user": "u", "number": -1}, wrong)
            for number in range(100):
                producer.send(clicks, {"user": "u", "number": number}, lambda *_: threads.append(threading.get_ident()))
            while len(threads) < 100:
                await asyncio.sleep(0.001)
        acknowledging.cancel()


async def test_acknowledgements_are_taken_by_its_own_thread_where_no_event_loop_does_any_more(
    cluster: Kafka, registry: RegistryClient, clicks: EventType
) -> None:
    threads: list[int] = []
    with Producer(cluster, registry) as producer:
        acknowledging = asyncio.create_task(producer.acknowledge())
        await asyncio.sleep(0)
        acknowledging.cancel()
        producer.send(clicks, {"user": "u", "number": 1}, lambda *_: threads.append(threading.get_ident()))
        until(lambda: len(threads) == 1)
    assert threading.get_ident() not in threads


def test_what_is_offered_while_the_queue_is_full_is_not_taken(
    cluster: Kafka, registry: RegistryClient, clicks: EventType
) -> None:
    told: list[Exception | None] = []
    small = Kafka(cluster.bootstrap, {"queue.buffering.max.messages": "1", "linger.ms": "20000"})
    body = clicks.writer.write({"user": "u", "number": 1}, clicks.topic)
    with Producer(small, registry) as producer:
        registry.register(clicks)
        taken = [producer.offer(clicks, body, b"u", lambda error, *_: told.append(error)) for _ in range(2)]
        assert taken == [True, False]
        producer.flush()
        assert told == [None]


def test_flush_says_how_many_failed_and_why(cluster: Kafka, registry: RegistryClient) -> None:
    impatient = Kafka(cluster.bootstrap, {"topic.metadata.propagation.max.ms": "200"})
    producer = Producer(impatient, registry)
    for _ in range(3):
        producer.send_bytes("nowhere", b"key", b"value")
    with pytest.raises(DeliveryFailed, match="3 events; the first: Kafka has no topic 'nowhere'") as raised:
        producer.flush()
    assert raised.value.failed == 3
    producer.close()  # what was said is not said again


def test_leaving_the_block_raises_what_failed(cluster: Kafka, registry: RegistryClient) -> None:
    impatient = Kafka(cluster.bootstrap, {"topic.metadata.propagation.max.ms": "200"})
    with pytest.raises(DeliveryFailed), Producer(impatient, registry) as producer:
        producer.send_bytes("nowhere", None, b"value")


def test_a_failure_that_the_sender_was_told_is_not_raised_again(cluster: Kafka, registry: RegistryClient) -> None:
    told: list[Exception | None] = []
    impatient = Kafka(cluster.bootstrap, {"topic.metadata.propagation.max.ms": "200"})
    with Producer(impatient, registry) as producer:
        producer.send_bytes("nowhere", b"key", b"value", on_delivery=lambda error, *_: told.append(error))
    assert ["nowhere" in str(error) for error in told] == [True]


def test_a_message_too_large_for_its_topic_fails_alone(topics: Topics, producer: Producer, clicks: EventType) -> None:
    topics.ensure(clicks.topic + "-small", 1, {"max.message.bytes": "10000"})
    told: list[Exception | None] = []
    for size in (10, 20_000, 10):
        producer.send_bytes(clicks.topic + "-small", b"k", b"x" * size, on_delivery=lambda e, *_: told.append(e))
        producer.flush()
    assert [error is None for error in told] == [True, False, True]
    assert "too large" in str(told[1])


def test_a_message_too_large_for_any_topic_is_refused_at_once(producer: Producer, clicks: EventType) -> None:
    with pytest.raises(DeliveryFailed, match=r"(?i)too large"):
        producer.send_bytes(clicks.topic, b"k", b"x" * 3_000_000)


def test_a_broker_that_is_gone_is_said_after_the_delivery_timeout(registry: RegistryClient) -> None:
    producer = Producer(Kafka("127.0.0.1:1", {"delivery.timeout.ms": "300"}), registry)
    producer.send_bytes("clicks", b"key", b"value")
    with pytest.raises(DeliveryFailed, match="Is Kafka running"):
        producer.flush()
    producer.close()


def test_a_flush_that_runs_out_of_time_says_what_is_under_way(registry: RegistryClient) -> None:
    producer = Producer(Kafka("127.0.0.1:1", {"delivery.timeout.ms": "1000"}), registry)
    producer.send_bytes("clicks", b"key", b"value")
    with pytest.raises(DeliveryFailed, match="may yet arrive"):
        producer.flush(timeout=0.05)
    assert producer.pending == 1
    with pytest.raises(DeliveryFailed):
        producer.close()


def test_a_full_queue_makes_the_sender_wait(registry: RegistryClient) -> None:
    options = {"queue.buffering.max.messages": "10", "delivery.timeout.ms": "300"}
    producer = Producer(Kafka("127.0.0.1:1", options), registry)
    for _ in range(15):  # five of them wait until the first ten have failed
        producer.send_bytes("clicks", b"key", b"value")
    with pytest.raises(DeliveryFailed, match="15 events"):
        producer.flush()
    producer.close()


def test_a_sender_that_has_little_patience_is_told_of_a_full_queue_and_what_is_abandoned_has_failed(
    registry: RegistryClient,
) -> None:
    options = {"delivery.timeout.ms": "0", "queue.buffering.max.messages": "1"}
    producer = Producer(Kafka("127.0.0.1:1", options), registry)
    heard: list[Exception | None] = []
    producer.send_bytes("anything", None, b"1", on_delivery=lambda error, partition, offset: heard.append(error))
    with pytest.raises(KafkaUnavailable, match="has not taken an event of anything"):
        producer.send_bytes("anything", None, b"2", patience=0.1)
    producer.abandon()
    producer.abandon()
    assert [type(error) for error in heard] == [StreamError]
    producer.close()


def test_many_threads_may_send(producer: Producer, clicks: EventType, start: Starting) -> None:
    def send(first: int) -> None:
        for number in range(first, first + 250):
            producer.send(clicks, {"user": f"u{number}", "number": number})

    threads = [threading.Thread(target=send, args=(first,)) for first in range(0, 1_000, 250)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    producer.flush()
    fetched = polled(start(Positions()), 1_000)
    assert sorted(n for item in fetched for n in item.batch.frame["number"]) == list(range(1_000))


async def test_delivered_events_are_in_the_log_at_the_offsets_returned(
    producer: Producer, clicks: EventType, start: Starting
) -> None:
    values = [{"user": f"u{number}", "number": number} for number in range(100)]
    positions = await producer.deliver(clicks, values)
    assert [partition for partition, _ in positions] == [partition_of(b"u%d" % number, 4) for number in range(100)]
    consumer: Consumer = start(Positions())
    found = {
        (item.batch.partition, offset): number
        for item in polled(consumer, 100)
        for offset, number in zip(item.batch.offsets.tolist(), item.batch.frame["number"], strict=True)
    }
    assert [found[position] for position in positions] == list(range(100))


async def test_delivering_nothing_does_nothing(producer: Producer, clicks: EventType) -> None:
    assert await producer.deliver(clicks, []) == []


async def test_one_malformed_value_keeps_all_from_being_sent(producer: Producer, clicks: EventType) -> None:
    with pytest.raises(MalformedEvent):
        await producer.deliver(clicks, [{"user": "u", "number": 1}, {"user": "u", "number": "one"}])
    assert producer.pending == 0


async def test_one_value_that_is_too_large_keeps_all_from_being_sent(producer: Producer, clicks: EventType) -> None:
    with pytest.raises(MalformedEvent, match="Event 2 has 1,1"):
        await producer.deliver(clicks, [{"user": "u", "number": 1}, {"user": "u" * 550_000, "number": 2}])
    assert producer.pending == 0


async def test_a_delivery_that_failed_is_raised(cluster: Kafka, registry: RegistryClient) -> None:
    impatient = Kafka(cluster.bootstrap, {"topic.metadata.propagation.max.ms": "200"})
    with Producer(impatient, registry) as producer:
        with pytest.raises(DeliveryFailed, match="2 of 2 events; the first: Kafka has no topic 'nowhere'"):
            await producer.deliver(EventType("nowhere", CLICK, key="user"), [{"user": "u", "number": 1}] * 2)
