"""What the tests of this room share: a fresh topic, its event type, and the room's parts on a real Kafka."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from schemas import Codec, EventType, RegistryClient
from streams import Consumer, Fetched, Kafka, Producer, Topics

Partition = tuple[str, int]

CLICK: dict[str, Any] = {
    "type": "record",
    "name": "Click",
    "fields": [{"name": "user", "type": "string"}, {"name": "number", "type": "long"}],
}


class Positions:
    """An owner that keeps positions in memory and notes what it is told."""

    def __init__(self, positions: dict[Partition, int | None] | None = None) -> None:
        self.positions = {} if positions is None else positions
        self.owned: set[Partition] = set()
        self.told: list[tuple[str, list[Partition]]] = []

    def assigned(self, partitions: list[Partition]) -> Mapping[Partition, int | None]:
        self.told.append(("assigned", sorted(partitions)))
        self.owned.update(partitions)
        return {at: self.positions.get(at) for at in partitions}

    def revoked(self, partitions: list[Partition]) -> None:
        self.told.append(("revoked", sorted(partitions)))
        self.owned.difference_update(partitions)

    def lost(self, partitions: list[Partition]) -> None:
        self.told.append(("lost", sorted(partitions)))
        self.owned.difference_update(partitions)


class Fold:
    """Takes what consumers hand out, and refuses anything but the next event of each partition."""

    def __init__(self) -> None:
        self.positions: dict[Partition, int | None] = {}
        self.numbers: list[int] = []

    def take(self, fetched: list[Fetched]) -> None:
        for item in fetched:
            batch, at = item.batch, (item.batch.topic, item.batch.partition)
            assert batch.first == (self.positions.get(at) or 0)
            assert batch.offsets.tolist() == list(range(batch.first, batch.next))
            self.positions[at] = batch.next
            self.numbers += batch.frame["number"].to_list()


Starting = Callable[..., Consumer]


@pytest.fixture(scope="module")
def cluster(kafka: str) -> Kafka:
    return Kafka(kafka)


@pytest.fixture(scope="module")
def registry(registry_url: str) -> Iterator[RegistryClient]:
    client = RegistryClient(registry_url)
    yield client
    client.close()


@pytest.fixture(scope="module")
def topics(cluster: Kafka) -> Iterator[Topics]:
    topics = Topics(cluster)
    yield topics
    topics.close()


@pytest.fixture(scope="module")
def producer(cluster: Kafka, registry: RegistryClient) -> Iterator[Producer]:
    producer = Producer(cluster, registry)
    yield producer
    producer.close()


@pytest.fixture
def clicks(topics: Topics) -> EventType:
    """An event type on a topic of four partitions that no other test uses."""
    name = f"clicks-{uuid.uuid4().hex[:12]}"
    topics.ensure(name, 4)
    return EventType(name, CLICK, key="user")


@pytest.fixture
def group() -> str:
    """A group that no other test uses."""
    return uuid.uuid4().hex


@pytest.fixture
def start(cluster: Kafka, registry: RegistryClient, clicks: EventType, group: str) -> Iterator[Starting]:
    """Starts consumers of `clicks` in `group`; closes those that the test did not."""
    started: list[Consumer] = []

    def start(owner: Positions, member: str = "one", codec: Codec | None = None, **options: Any) -> Consumer:
        types = {clicks.topic: clicks}
        consumer = Consumer(cluster, codec or Codec(registry), group, member, types, owner, **options)
        started.append(consumer)
        return consumer

    yield start
    for consumer in started:
        consumer.close()


def sent(producer: Producer, clicks: EventType, numbers: range, users: int = 50) -> None:
    """Send clicks with these numbers and wait until Kafka has them."""
    for number in numbers:
        producer.send(clicks, {"user": f"u{number % users}", "number": number})
    producer.flush()


def polled(consumer: Consumer, rows: int, polls: int = 200) -> list[Fetched]:
    """What is handed out until there are `rows` events, good or bad; gives up after some polls."""
    found: list[Fetched] = []
    for _ in range(polls):
        found += consumer.poll(0.05, 1_000)
        if sum(item.batch.rows + len(item.rejected) for item in found) >= rows:
            return found
    raise AssertionError(f"{rows} events were expected; {found} came.")


def owns(consumer: Consumer, owner: Positions, partitions: int, polls: int = 400) -> None:
    """Poll until the owner has that many partitions; nothing is expected to be handed out meanwhile."""
    for _ in range(polls):
        if len(owner.owned) == partitions:
            return
        assert consumer.poll(0.05, 1) == []
    raise AssertionError(f"{partitions} partitions were expected; {owner.told} was told.")
