"""The newest events of a topic are read while somebody looks at them, and only then."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from contextlib import closing

import pytest

from schemas import Codec, EventType, RegistryClient
from serving.console import tail
from streams import Kafka, Looking, Producer, Topics

FIELDS = [{"name": "user", "type": "string"}, {"name": "number", "type": "long"}]


@pytest.fixture
def registry(registry_url: str) -> Iterator[RegistryClient]:
    with closing(RegistryClient(registry_url)) as registry:
        yield registry


@pytest.fixture
def producer(kafka: str, registry: RegistryClient) -> Iterator[Producer]:
    with Producer(Kafka(kafka), registry) as producer:
        yield producer


@pytest.fixture
def visits(kafka: str) -> EventType:
    name = f"visits-{uuid.uuid4().hex[:12]}"
    with closing(Topics(Kafka(kafka))) as topics:
        topics.ensure(name, 2)
    return EventType(name, {"type": "record", "name": "Visit", "fields": FIELDS}, "user")


@pytest.fixture
def tails(kafka: str, registry: RegistryClient, monkeypatch: pytest.MonkeyPatch) -> tail.Tails:
    monkeypatch.setattr(tail, "EVERY", 0.05)
    monkeypatch.setattr(tail, "GONE", 0.5)
    return tail.Tails(Looking(Kafka(kafka), Codec(registry)))


def sent(producer: Producer, visits: EventType, **numbers: int) -> None:
    for user, number in numbers.items():
        producer.send(visits, {"user": user, "number": number})
    producer.flush()


async def test_a_topic_is_read_while_somebody_looks_and_no_longer(
    tails: tail.Tails, producer: Producer, visits: EventType
) -> None:
    sent(producer, visits, ann=1)
    found = tails.look(visits.topic)
    assert found is not None
    await asyncio.wait_for(found.read.wait(), 30)
    assert [row.told.event.key for row in found.newest("")] == [b"ann"]
    sent(producer, visits, bob=2)
    async with asyncio.timeout(30):
        while not found.newest("bob"):
            assert tails.look(visits.topic) is found
            await asyncio.sleep(0.02)
    assert [row.told.event.key for row in found.newest('number": 1 ANN')] == [b"ann"]
    async with asyncio.timeout(30):
        while tails.followed:
            await asyncio.sleep(0.02)


async def test_what_comes_faster_than_it_is_read_is_passed_over_and_counted(
    tails: tail.Tails, producer: Producer, visits: EventType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "AT_ONCE", 20)
    found = tails.look(visits.topic)
    assert found is not None
    await asyncio.wait_for(found.read.wait(), 30)
    for number in range(300):
        producer.send(visits, {"user": "ann", "number": number})
    producer.flush()
    async with asyncio.timeout(30):
        while not found.newest("299"):
            tails.look(visits.topic)
            await asyncio.sleep(0.02)
    assert found.passed_over + len(found.rows) == 300
    assert found.passed_over > 0
