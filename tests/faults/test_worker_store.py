"""The store of a running worker comes back empty, and is filled again from the log, though no event comes; or another
program has damaged what it keeps of one learner, and the others learn all the same; or it would evict rows."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
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
from tests.waiting import until

EVENTS = 500


@contextmanager
def working(kafka: str, registry_url: str, technology: Technology) -> Iterator[Worker]:
    """A worker with two learners, and events for them."""
    topic, broker = f"store-{uuid.uuid4().hex[:8]}", Kafka(kafka)
    stop = Event()
    with (
        closing(Topics(broker)) as topics,
        closing(RegistryClient(registry_url)) as registry,
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
            yield worker
        finally:
            stop.set()
            running.result()


@pytest.mark.server
def test_a_store_that_comes_back_empty_is_filled_again_without_a_restart(
    kafka: str, registry_url: str, redis_clean: str
) -> None:
    with closing(opened("redis", redis_clean)) as technology, working(kafka, registry_url, technology):
        folded = rows(technology, 3)
        with redis.Redis.from_url(redis_clean) as client:
            client.flushall()
        assert rows(technology, 3) == folded
        assert {name for _, name in technology.aliases()} == {item.name for item in technology.storages()}


@pytest.mark.server
def test_a_learner_whose_storage_is_damaged_does_not_begin_and_the_others_do(
    kafka: str, registry_url: str, redis_clean: str
) -> None:
    with redis.Redis.from_url(redis_clean) as client:
        client.hset("mr:{catalogue}:storages", "records/histories@1", "{")
    with closing(opened("redis", redis_clean)) as technology, working(kafka, registry_url, technology) as worker:
        assert [title.partition("/")[2] for title in rows(technology, 1)] == ["counters/star_counts@1"]
        [(who, why)] = worker.problems.items()
    assert who == "Learner histories"
    assert "records/histories@1 does not say what it is" in why


@pytest.mark.server
def test_learners_wait_for_a_redis_that_evicts_rows_until_it_is_set_up_otherwise(
    kafka: str, registry_url: str, redis_clean: str, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(opened("redis", redis_clean)) as technology, redis.Redis.from_url(redis_clean) as client:
        client.config_set("maxmemory", 1 << 30)
        client.config_set("maxmemory-policy", "allkeys-lru")
        try:
            with working(kafka, registry_url, technology):
                until(lambda: "maxmemory-policy is allkeys-lru" in caplog.text)
                assert client.dbsize() == 0
                client.config_set("maxmemory-policy", "noeviction")
                assert len(rows(technology, 3)) == 3
        finally:
            client.config_set("maxmemory-policy", "noeviction")
            client.config_set("maxmemory", 0)


def rows(technology: Technology, storages: int) -> dict[str, Any]:
    """All rows of so many storages, once every learner of theirs has folded all events."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        found = technology.storages()
        heights = [sum(unit.next or 0 for unit in technology.units(item)) for item in found]
        if len(found) == storages and set(heights) == {EVENTS}:
            return {item.title: dict(technology.dump(item)) for item in found}
        time.sleep(0.05)
    raise AssertionError(f"{technology.storages()} are not filled")
