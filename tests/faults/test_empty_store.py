"""The store of a running worker comes back empty: it is filled again from the log, though no event comes."""

from __future__ import annotations

import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from threading import Event
from typing import Any

import pytest
import redis

from benchmarks.prove_storage.product import event_type, learners, rating_events
from learners import Worker
from schemas import Codec, RegistryClient
from storage import Technology
from storage.technologies import opened
from streams import DeadLetters, Kafka, Producer, Topics

EVENTS = 500


@pytest.mark.server
def test_a_store_that_comes_back_empty_is_filled_again_without_a_restart(
    kafka: str, registry_url: str, redis_clean: str
) -> None:
    topic, broker = f"empty-{uuid.uuid4().hex[:8]}", Kafka(kafka)
    stop = Event()
    with (
        closing(Topics(broker)) as topics,
        closing(RegistryClient(registry_url)) as registry,
        closing(opened("redis", redis_clean)) as technology,
        Producer(broker, registry) as producer,
        ThreadPoolExecutor(1) as thread,
    ):
        topics.ensure(topic, 2)
        registry.register(event_type(topic))
        events = rating_events(seed=5)
        for _ in range(EVENTS):
            producer.send(event_type(topic), next(events))
        producer.flush()
        worker = Worker(
            kafka=broker,
            codec=Codec(registry),
            technologies={"redis": technology},
            learners=[item for item in learners(topic, "redis") if item.__name__ in ("StarCounts", "Histories")],
            event_types={topic: event_type(topic)},
            dead_letters=DeadLetters(producer),
            group=topic,
            member="one",
        )
        running = thread.submit(worker.run, stop)
        try:
            folded = rows(technology)
            with redis.Redis.from_url(redis_clean) as client:
                client.flushall()
            assert rows(technology) == folded
            assert {name for _, name in technology.aliases()} == {item.name for item in technology.storages()}
        finally:
            stop.set()
            running.result()


def rows(technology: Technology) -> dict[str, Any]:
    """All rows, once every learner has folded all events."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        storages = technology.storages()
        heights = [sum(unit.next or 0 for unit in technology.units(item)) for item in storages]
        if len(storages) == 3 and set(heights) == {EVENTS}:
            return {item.title: dict(technology.dump(item)) for item in storages}
        time.sleep(0.05)
    raise AssertionError(f"{technology.storages()} are not filled")
