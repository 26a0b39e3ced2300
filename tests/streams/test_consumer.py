"""A consumer hands out every event of its partitions once, in order, from where it is told to."""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from confluent_kafka import Producer as Client
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from schemas import Codec, Decoded, EventType, RegistryClient, RegistryUnavailable
from streams import Consumer, Kafka, PositionOutsideLog, Producer, TopicMissing, Topics, partition_of
from tests.streams.conftest import CLICK, Fold, Partition, Positions, Starting, owns, polled, sent

AT = {"type": "long", "logicalType": "timestamp-millis"}
BAD = b"these bytes are no event"


class FailingCodec(Codec):
    """Decodes, unless it is told that the registry does not answer."""

    failing = False

    def decode_batch(self, payloads: Sequence[bytes | None], reader: EventType) -> Decoded:
        if self.failing:
            raise RegistryUnavailable("The registry does not answer.")
        return super().decode_batch(payloads, reader)


def test_a_batch_begins_where_the_last_one_ended(producer: Producer, clicks: EventType, start: Starting) -> None:
    fold, consumer = Fold(), start(Positions())
    for first in range(0, 300, 100):
        sent(producer, clicks, range(first, first + 100))
        fold.take(polled(consumer, 100))
    assert sorted(fold.numbers) == list(range(300))


def test_reading_begins_at_the_owners_positions(producer: Producer, clicks: EventType, start: Starting) -> None:
    sent(producer, clicks, range(10), users=1)
    at = partition_of(b"u0", 4)
    (fetched,) = polled(start(Positions({(clicks.topic, at): 7})), 3)
    assert (fetched.batch.partition, fetched.batch.first, fetched.batch.next) == (at, 7, 10)
    assert fetched.batch.frame["number"].to_list() == [7, 8, 9]


def test_a_limit_bounds_what_one_poll_hands_out(producer: Producer, clicks: EventType, start: Starting) -> None:
    sent(producer, clicks, range(100))
    consumer, fold = start(Positions()), Fold()
    while len(fold.numbers) < 100:
        fetched = consumer.poll(0.05, 10)
        assert sum(item.batch.rows for item in fetched) <= 10
        fold.take(fetched)


def test_a_poll_that_waits_for_the_first_event_has_it_long_before_its_wait_is_over(
    producer: Producer, clicks: EventType, start: Starting
) -> None:
    consumer = start(Positions())
    sent(producer, clicks, range(1))
    polled(consumer, 1)
    later = threading.Timer(0.2, sent, (producer, clicks, range(1, 2)))
    later.start()
    begun = time.monotonic()
    (fetched,) = consumer.poll(0.005, 100, wait=60.0)
    assert time.monotonic() - begun < 30
    later.join()
    assert fetched.batch.frame["number"].to_list() == [1]
    assert consumer.poll(60.0, 100, wait=0.01) == []  # nothing has come, so nothing is gathered
    assert time.monotonic() - begun < 60


def test_a_poll_that_waits_hands_out_no_more_than_its_limit(
    producer: Producer, clicks: EventType, start: Starting
) -> None:
    sent(producer, clicks, range(20))
    consumer, fold = start(Positions()), Fold()
    for limit in (1, 2, 1, 2) * 50:
        fetched = consumer.poll(0.05, limit, wait=0.05)
        assert sum(item.batch.rows for item in fetched) <= limit
        fold.take(fetched)
        if len(fold.numbers) == 20:
            break
    assert sorted(fold.numbers) == list(range(20))


def test_bad_events_among_good_ones_are_refused_with_their_bytes_and_place(
    producer: Producer, clicks: EventType, start: Starting
) -> None:
    producer.send(clicks, {"user": "u", "number": 0})
    producer.send_bytes(clicks.topic, b"u", BAD)
    producer.send_bytes(clicks.topic, b"u", None)
    producer.send(clicks, {"user": "u", "number": 3})
    producer.send_bytes(clicks.topic, b"u", BAD)
    producer.flush()
    (fetched,) = polled(start(Positions()), 5)
    assert (fetched.batch.first, fetched.batch.next) == (0, 5)
    assert fetched.batch.frame["number"].to_list() == [0, 3]
    assert fetched.batch.offsets.tolist() == [0, 3]
    assert len(fetched.timestamps) == 2
    assert fetched.timestamps[0] > 1_700_000_000_000
    assert [(bad.offset, bad.key, bad.value) for bad in fetched.rejected] == [
        (1, b"u", BAD),
        (2, b"u", None),
        (4, b"u", BAD),
    ]
    assert all(bad.topic == clicks.topic and bad.reason and bad.error for bad in fetched.rejected)


def test_a_stretch_of_bad_events_alone_moves_the_position(
    producer: Producer, clicks: EventType, start: Starting
) -> None:
    for _ in range(3):
        producer.send_bytes(clicks.topic, b"u", BAD)
    producer.flush()
    (fetched,) = polled(start(Positions()), 3)
    assert (fetched.batch.first, fetched.batch.next, fetched.batch.rows) == (0, 3, 0)


def test_offsets_taken_by_transaction_markers_are_passed_over(
    cluster: Kafka, registry: RegistryClient, producer: Producer, clicks: EventType, start: Starting
) -> None:
    # Given two transactions, the first of them aborted, and an event after them
    payload = Codec(registry).encode(registry.register(clicks), clicks, {"user": "u", "number": 1})
    writer = Client({"bootstrap.servers": cluster.bootstrap, "transactional.id": clicks.topic})
    writer.init_transactions(20)
    for end in (writer.abort_transaction, writer.commit_transaction):
        writer.begin_transaction()
        writer.produce(clicks.topic, payload, b"u", partition=0)
        writer.flush()
        end(20)
    plain = Client({"bootstrap.servers": cluster.bootstrap})
    plain.produce(clicks.topic, payload, b"u", partition=0)
    plain.flush()
    # Then events are at 2 and 4; the markers at 1 and 3 belong to the stretch of the event that follows them
    fetched = polled(start(Positions()), 2)
    assert [item.batch.offsets.tolist() for item in fetched] in ([[2, 4]], [[2], [4]])
    assert fetched[0].batch.first == 2  # nothing before it is readable
    assert fetched[-1].batch.next == 5


def test_no_event_is_skipped_or_repeated_however_one_seeks_while_events_arrive(
    producer: Producer, clicks: EventType, start: Starting
) -> None:
    # Given a producer that goes on sending while the consumer seeks, pauses and loses the registry at random
    chance, stop = random.Random(20_24), threading.Event()
    count = [0]

    def produce() -> None:
        while not stop.wait(0.002):
            sent(producer, clicks, range(count[0], count[0] + 60))
            count[0] += 60

    codec = FailingCodec(producer._registry)
    fold, consumer = Fold(), start(Positions(), codec=codec)
    producing = threading.Thread(target=produce)
    producing.start()
    try:
        for _ in range(250):
            # Then every batch begins where the last one ended, or where it was sought to, and has no hole (Fold)
            fold.take(consumer.poll(chance.choice([0, 0.001, 0.01, 0.03]), chance.choice([1, 5, 100, 5_000])))
            for at in list(fold.positions):
                _disturb(consumer, fold, at, chance)
            codec.failing = chance.random() < 0.1
            if codec.failing:
                _poll_in_vain(consumer)
                codec.failing = False
    finally:
        stop.set()
        producing.join()
    # And in the end every partition is read to its end
    for topic, partition in fold.positions:
        consumer.resume(topic, partition)
    _take_the_rest(consumer, fold, lambda: sum(position or 0 for position in fold.positions.values()) == count[0])
    assert set(fold.numbers) == set(range(count[0]))


def _disturb(consumer: Consumer, fold: Fold, at: Partition, chance: random.Random) -> None:
    happens, position = chance.random(), fold.positions[at] or 0
    if happens < 0.3:
        target = chance.choice([None, 0, chance.randint(0, position), position, max(0, position - 3)])
        consumer.seek(*at, target)
        fold.positions[at] = target
    elif happens < 0.35:
        consumer.pause(*at)
    elif happens < 0.5:
        consumer.resume(*at)


def _poll_in_vain(consumer: Consumer) -> None:
    with suppress(RegistryUnavailable):
        assert consumer.poll(0.01, 1_000) == []


def _take_the_rest(consumer: Consumer, fold: Fold, complete: Callable[[], bool]) -> None:
    for _ in range(400):
        if complete():
            return
        fold.take(consumer.poll(0.05, 100_000))
    raise AssertionError(f"The rest did not come: {fold.positions}")


def test_a_registry_that_is_away_costs_no_event(producer: Producer, clicks: EventType, start: Starting) -> None:
    codec = FailingCodec(producer._registry)
    fold, consumer = Fold(), start(Positions(), codec=codec)
    sent(producer, clicks, range(100))
    codec.failing = True
    with pytest.raises(RegistryUnavailable):
        polled(consumer, 100)
    sent(producer, clicks, range(100, 200))
    for _ in range(5):
        with pytest.raises(RegistryUnavailable):
            consumer.poll(0.05, 10)
    codec.failing = False
    fold.take(polled(consumer, 200))
    assert sorted(fold.numbers) == list(range(200))


def test_while_the_registry_is_away_memory_does_not_grow(
    producer: Producer, clicks: EventType, start: Starting
) -> None:
    codec = FailingCodec(producer._registry)
    consumer = start(Positions(), codec=codec)
    sent(producer, clicks, range(1_000))
    codec.failing = True
    with pytest.raises(RegistryUnavailable):
        polled(consumer, 1)
    held = len(consumer._held)
    for _ in range(50):
        with pytest.raises(RegistryUnavailable):
            consumer.poll(0.001, 1_000)
    assert len(consumer._held) <= held + 4


def test_a_paused_partition_waits_and_the_others_go_on(producer: Producer, clicks: EventType, start: Starting) -> None:
    owner, fold = Positions(), Fold()
    consumer = start(owner)
    owns(consumer, owner, 4)
    consumer.pause(clicks.topic, 2)
    sent(producer, clicks, range(200))
    elsewhere = [n for n in range(200) if partition_of(f"u{n % 50}".encode(), 4) != 2]
    fold.take(polled(consumer, len(elsewhere)))
    fold.take(consumer.poll(0.1, 1_000))
    assert sorted(fold.numbers) == elsewhere
    consumer.resume(clicks.topic, 2)
    fold.take(polled(consumer, 200 - len(elsewhere)))
    assert sorted(fold.numbers) == list(range(200))


def test_a_position_that_retention_removed_is_never_replaced_by_another(
    cluster: Kafka, producer: Producer, clicks: EventType, start: Starting
) -> None:
    sent(producer, clicks, range(20), users=1)
    at = (clicks.topic, partition_of(b"u0", 4))
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap})
    next(iter(admin.delete_records([TopicPartition(*at, 12)]).values())).result()
    consumer = start(Positions({at: 5}))
    with pytest.raises(PositionOutsideLog, match=r"Position 5 of .* partition \d .* holds \[12, 20\)") as raised:
        polled(consumer, 1)
    error = raised.value
    assert (error.topic, error.partition, error.position, error.low, error.high) == (*at, 5, 12, 20)
    assert consumer.poll(0.1, 100) == []
    # and once its owner has decided, it is read on
    consumer.seek(*at, 12)
    (fetched,) = polled(consumer, 8)
    assert fetched.batch.first == 12


def test_a_position_after_the_end_is_outside_too(producer: Producer, clicks: EventType, start: Starting) -> None:
    sent(producer, clicks, range(3), users=1)
    at = (clicks.topic, partition_of(b"u0", 4))
    consumer = start(Positions({at: 1_000}))
    with pytest.raises(PositionOutsideLog) as raised:
        polled(consumer, 1)
    assert (raised.value.position, raised.value.low, raised.value.high) == (1_000, 0, 3)


def test_two_positions_outside_are_both_said_and_the_other_partitions_lose_nothing(
    producer: Producer, clicks: EventType, start: Starting
) -> None:
    sent(producer, clicks, range(200))
    outside: dict[Partition, int | None] = {(clicks.topic, 0): 900, (clicks.topic, 3): 901}
    consumer, fold, said = start(Positions(outside)), Fold(), []
    elsewhere = [n for n in range(200) if partition_of(f"u{n % 50}".encode(), 4) in {1, 2}]
    for _ in range(200):
        try:
            fold.take(consumer.poll(0.05, 1_000))
        except PositionOutsideLog as error:
            said.append(error.position)
        if len(said) == 2 and len(fold.numbers) == len(elsewhere):
            break
    assert sorted(said) == [900, 901]
    assert sorted(fold.numbers) == elsewhere


def test_the_end_of_the_log_is_inside(producer: Producer, clicks: EventType, start: Starting) -> None:
    sent(producer, clicks, range(3), users=1)
    at = (clicks.topic, partition_of(b"u0", 4))
    consumer, fold = start(Positions({at: 3})), Fold()
    fold.positions[at] = 3
    sent(producer, clicks, range(3, 5), users=1)
    fold.take(polled(consumer, 2))
    assert fold.numbers == [3, 4]


def test_a_missing_topic_is_named(cluster: Kafka, registry: RegistryClient) -> None:
    nowhere = EventType("nowhere", CLICK, key="user")
    consumer = Consumer(cluster, Codec(registry), "nobody", "one", {"nowhere": nowhere}, Positions())
    with pytest.raises(TopicMissing, match="'nowhere'"):
        polled(consumer, 1)
    consumer.close()


def test_noted_positions_are_what_lag_tools_see(
    cluster: Kafka, producer: Producer, clicks: EventType, start: Starting
) -> None:
    sent(producer, clicks, range(100))
    fold, consumer = Fold(), start(Positions())
    fold.take(polled(consumer, 100))
    noted = {at: position or 0 for at, position in fold.positions.items()}
    consumer.note(noted)
    consumer.note({("elsewhere", 0): 3})
    asked = [TopicPartition(*at) for at in noted]
    for _ in range(50):
        consumer.poll(0.02, 1)
        found = {(place.topic, place.partition): place.offset for place in consumer._client.committed(asked, timeout=5)}
        if found == noted:
            return
    raise AssertionError(f"{noted} was noted, {found} is seen.")


def test_ends_follow_the_log(topics: Topics, producer: Producer, clicks: EventType, start: Starting) -> None:
    sent(producer, clicks, range(100))
    consumer = start(Positions())
    polled(consumer, 100)
    assert consumer.ends() == {at: high for at, (_, high) in topics.ends([clicks.topic]).items()}


def test_seeking_a_partition_that_is_not_ours_does_nothing(clicks: EventType, start: Starting) -> None:
    consumer = start(Positions())
    consumer.seek(clicks.topic, 99, 0)
    consumer.pause(clicks.topic, 99)
    consumer.resume(clicks.topic, 99)
    assert consumer.ends() == {}


def test_an_event_from_the_far_future_is_refused_and_the_ones_around_it_are_not(
    cluster: Kafka, registry: RegistryClient, producer: Producer, topics: Topics
) -> None:
    timed = {**CLICK, "fields": [*CLICK["fields"], {"name": "at", "type": AT}]}
    clicks = EventType(f"clicks-{uuid.uuid4().hex[:12]}", timed, key="user")
    topics.ensure(clicks.topic, 1)
    now = datetime.now(UTC)
    times = [now, now + timedelta(hours=23), now + timedelta(days=2), datetime(9999, 12, 31, tzinfo=UTC), now]
    for number, at in enumerate(times):
        producer.send(clicks, {"user": "u", "number": number, "at": at})
    producer.flush()
    consumer = Consumer(cluster, Codec(registry), uuid.uuid4().hex, "one", {clicks.topic: clicks}, Positions())
    (fetched,) = polled(consumer, 5)
    consumer.close()
    assert fetched.batch.frame["number"].to_list() == [0, 1, 4]
    assert fetched.batch.offsets.tolist() == [0, 1, 4]
    assert len(fetched.timestamps) == 3
    assert [bad.offset for bad in fetched.rejected] == [2, 3]
    assert "more than a day after" in fetched.rejected[0].reason
