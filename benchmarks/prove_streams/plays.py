"""Events of the topic: made once, and sent as often as it takes."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import cycle, islice

from confluent_kafka import Producer

from benchmarks.prove_streams.product.events import Play
from benchmarks.report import say
from millrace.platform import Platform
from millrace.settings import Settings

TOPIC = Play.event_type.topic
USERS, ITEMS = 100_000, 10_000
MADE = 1_000_000
START = datetime(2026, 1, 1, tzinfo=UTC)
_OPTIONS = {
    "acks": "all",
    "enable.idempotence": True,
    "partitioner": "murmur2_random",
    "linger.ms": 5,
    "queue.buffering.max.messages": 400_000,
}
Message = tuple[bytes, bytes]
"""Key and value."""


def messages(schema_id: int, count: int, seed: int = 6) -> Iterator[Message]:
    """So many, in order of time; the users and songs are drawn evenly."""
    chance = random.Random(seed)
    for number in range(count):
        user = f"u{chance.randrange(USERS)}"
        play = Play(
            user=user,
            item=f"i{chance.randrange(ITEMS)}",
            device=chance.choice(("web", "tv", "car", "phone")),
            seconds=chance.random() * 300,
            place=number % 1_000,
            liked=chance.random() < 0.2,
            at=START + timedelta(milliseconds=number),
        )
        yield user.encode(), Play.event_type.encode(schema_id, play)


@cache
def made(schema_id: int, count: int = MADE) -> list[Message]:
    """The same, kept."""
    return list(messages(schema_id, count))


def producer(kafka: str) -> Producer:
    """One for messages that are encoded already, with the promises of the product's own."""
    return Producer({"bootstrap.servers": kafka, **_OPTIONS})


def fill(settings: Settings, count: int) -> None:
    """Write so many events into the topic, which is made; those that were made before go round and round.

    Raises:
        RuntimeError: not all have arrived.
    """
    with closing(Platform(settings)) as platform:
        platform.prepare_topic(Play.event_type)
        schema_id = platform.registry.register(Play.event_type)
        client = producer(settings.kafka)
        for key, value in islice(cycle(made(schema_id, min(MADE, count))), count):
            send(client, key, value)
        client.flush()
        found = sum(high - low for low, high in platform.topics.ends([TOPIC]).values())
    if found != count:
        raise RuntimeError(f"{count:,} events were sent, and the topic holds {found:,}.")
    say(f"the topic holds {count:,} events of {len(value)} bytes")


def send(client: Producer, key: bytes, value: bytes) -> None:
    """Waits for room where there is none."""
    while True:
        try:
            client.produce(TOPIC, value, key)
            return
        except BufferError:
            client.poll(0.05)
