"""A learner emits, another reads that, others read a topic by another key or in one order: each event counts once."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from itertools import islice
from threading import Event

import pytest

from benchmarks.prove_chain.attack import rows_of
from benchmarks.prove_chain.product import PARTITIONS, Chain, clicks, expected
from learners import Emitter, Worker
from schemas import Codec, RegistryClient
from storage import Technology
from storage.technologies import opened
from streams import DeadLetters, Kafka, Producer, Topics
from tests.waiting import until

EVENTS = 2_000


@contextmanager
def working(kafka: str, registry_url: str, technology: Technology, chain: Chain, name: str) -> Iterator[Worker]:
    """A worker with the chain's learners."""
    broker, stop = Kafka(kafka), Event()
    with (
        closing(RegistryClient(registry_url)) as registry,
        Producer(broker, registry) as producer,
        ThreadPoolExecutor(1) as thread,
    ):
        worker = Worker(
            kafka=broker,
            codec=Codec(registry),
            technologies={"redis": technology},
            learners=chain.learners,
            event_types=chain.event_types,
            dead_letters=DeadLetters(producer),
            group=name,
            member="one",
            emitter=Emitter(broker, registry, PARTITIONS),
        )
        running = thread.submit(worker.run, stop)
        try:
            yield worker
        finally:
            stop.set()
            running.result()


@pytest.mark.server
def test_along_a_chain_each_event_counts_once(kafka: str, registry_url: str, redis_clean: str) -> None:
    name = f"chain-{uuid.uuid4().hex[:8]}"
    chain, broker = Chain.of(name), Kafka(kafka)
    events = list(islice(clicks(seed=1), EVENTS))
    with (
        closing(Topics(broker)) as topics,
        closing(RegistryClient(registry_url)) as registry,
        Producer(broker, registry) as producer,
        closing(opened("redis", redis_clean)) as technology,
    ):
        for event_type in chain.event_types.values():
            registry.register(event_type)
            topics.ensure(event_type.topic, PARTITIONS, {"retention.ms": "86400000", "retention.bytes": "1000000"})
        wanted = expected(events)
        for half in (events[: EVENTS // 2], events[EVENTS // 2 :]):
            with working(kafka, registry_url, technology, chain, name):
                for event in half:
                    producer.send(chain.clicks, event)
                producer.flush()
                sums = expected(events[: events.index(half[-1]) + 1])
                until(lambda sums=sums: {key: rows_of(technology).get(key) for key in sums} == sums)  # type: ignore[misc]
        assert {key: rows_of(technology)[key] for key in wanted} == wanted
        by_item, in_order = f"{chain.clicks.topic}.by-item", f"{chain.clicks.topic}.in-order"
        assert (topics.partitions(by_item), topics.partitions(in_order)) == (PARTITIONS, 1)
        kept = topics.retentions([chain.clicks.topic, by_item, in_order])
        assert [*map(str, kept.values())] == [f"1 day or {PARTITIONS} MB"] * 3
