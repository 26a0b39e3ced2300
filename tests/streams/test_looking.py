"""Logs are looked into without consuming: an event is found, and what is known of it is said."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import closing

import pytest
from confluent_kafka.admin import AdminClient

from schemas import Codec, EventType, RegistryClient
from streams import DeadLetters, Kafka, Looking, Producer, Rejected, Topics
from streams.log_view import Limit, LogView
from streams.wanted import Wanted, wanted
from tests.streams.conftest import sent

FIELDS = [
    {"name": "user", "type": "string"},
    {"name": "number", "type": "long"},
    {"name": "id", "type": ["null", "string"], "default": None},
    {"name": "api_token", "type": "string", "default": ""},
    {"name": "store", "type": "string", "default": "redis://me:secret@host"},
]


@pytest.fixture
def visits(topics: Topics) -> EventType:
    name = f"visits-{uuid.uuid4().hex[:12]}"
    topics.ensure(name, 2)
    return EventType(name, {"type": "record", "name": "Visit", "fields": FIELDS, "millrace.id": "id"}, "user")


@pytest.fixture
def looking(cluster: Kafka, registry: RegistryClient) -> Looking:
    return Looking(cluster, Codec(registry))


@pytest.fixture
def view(looking: Looking) -> Iterator[LogView]:
    with closing(looking.view()) as view:
        yield view


def visit(producer: Producer, visits: EventType, user: str, number: int, **more: str) -> None:
    producer.send(visits, {"user": user, "number": number, "id": None, "api_token": "t0p", "store": "", **more})
    producer.flush()


def test_an_event_is_found_by_its_id_its_key_its_fields_and_its_position(
    looking: Looking, producer: Producer, visits: EventType
) -> None:
    visit(producer, visits, "ann", 1, id="a1")
    visit(producer, visits, "ann", 2, id="a2")
    visit(producer, visits, "bob", 2)
    topics = [visits.topic, "no-such-topic"]

    def numbers(text: str) -> list[object]:
        found = looking.search(wanted(text, topics), topics)
        assert found.complete
        return [item.value and (item.value["user"], item.value["number"]) for item in found.found]

    assert numbers("a1") == [("ann", 1)]
    assert numbers("ann") == [("ann", 2), ("ann", 1)]
    assert numbers("number=2") == [("bob", 2), ("ann", 2)]
    assert numbers(f"{visits.topic} ann number=2") == [("ann", 2)]
    assert numbers("t0p") == []
    [one] = looking.search(Wanted(word="a1"), topics).found
    event = looking.known(one.event.topic, one.event.partition, one.event.offset).event
    assert event == one


def test_no_secret_is_shown_of_an_event(looking: Looking, producer: Producer, visits: EventType) -> None:
    visit(producer, visits, "ann", 1, store="redis://me:secret@host")
    [found] = looking.search(Wanted(word="ann"), [visits.topic]).found
    assert '"api_token": "***"' in found.text
    assert '"store": "redis://me:***@host"' in found.text


def test_what_cannot_be_read_is_shown_with_why_and_where_it_was_refused(
    looking: Looking, producer: Producer, visits: EventType
) -> None:
    producer.send_bytes(visits.topic, b"ann", b"no event", partition=1)
    producer.flush()
    DeadLetters(producer).send([Rejected(visits.topic, 1, 0, 1, b"ann", b"no event", "MalformedEvent", "no zero byte")])
    known = looking.known(visits.topic, 1, 0)
    assert known.event is not None
    assert known.event.value is None
    assert "MalformedEvent: The first byte is 0x6e" in known.event.why_not
    assert known.letter is not None
    assert known.letter.event.reason == "no zero byte"
    assert looking.known(visits.topic, 1, 7).event is None


def test_an_event_that_was_sent_twice_says_so(looking: Looking, producer: Producer, visits: EventType) -> None:
    for number in range(3):
        visit(producer, visits, "ann", number, id="a1")
    visit(producer, visits, "ann", 2, id="a2")
    first, second, _ = sorted(
        looking.search(Wanted(word="a1"), [visits.topic]).found, key=lambda item: item.event.offset
    )
    at = second.event
    known = looking.known(at.topic, at.partition, at.offset)
    assert known.before == (first.event.offset,)
    assert known.again == (at.offset + 1,)


def test_a_search_ends_at_its_limit_and_begins_with_the_newest(
    view: LogView, producer: Producer, clicks: EventType
) -> None:
    sent(producer, clicks, range(4_000))
    blocks = list(view.backwards(clicks.topic, Limit(2_000, 10_000_000)))
    ends = view.ends(clicks.topic)
    offsets = {(event.partition, event.offset) for block in blocks for event in block}
    assert 1_000 < len(offsets) <= 2_000
    for partition, (_, high) in ends.items():
        mine = {offset for at, offset in offsets if at == partition}
        assert mine == set(range(high - len(mine), high))
    few = list(view.backwards(clicks.topic, Limit(4_000, 1_000)))
    assert sum(map(len, few)) < 1_000


def test_of_large_events_fewer_are_read_but_the_newest(view: LogView, producer: Producer, clicks: EventType) -> None:
    for number in range(12):
        producer.send_bytes(clicks.topic, None, bytes([number]) * 300_000, partition=0)
    producer.flush()
    found = view.newest(clicks.topic, {0: (0, 12), 1: (0, 0)}, 1_000_000)
    assert [event.offset for event in found][-1] == 11
    assert len(found) <= 4
    blocks = list(view.backwards(clicks.topic, Limit(100, 2_000_000)))
    read = [event.offset for block in blocks for event in block]
    assert sorted(read) == list(range(12 - len(read), 12))
    assert 4 < len(read) < 12


def test_looking_joins_no_group_and_keeps_no_position(
    cluster: Kafka, looking: Looking, producer: Producer, visits: EventType
) -> None:
    visit(producer, visits, "ann", 1)
    looking.search(Wanted(word="ann"), [visits.topic])
    client = AdminClient({"bootstrap.servers": cluster.bootstrap})
    groups = {group.group_id for group in client.list_consumer_groups().result(10).valid}
    assert "millrace-log-view" not in groups
