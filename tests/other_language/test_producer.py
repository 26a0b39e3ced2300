"""A producer in another language, with Apache's own client and Confluent's format, works unchanged."""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from learners import EventLearner, Worker, stream
from millrace.stack.artefacts import KAFKA, pinned
from millrace.stack.errors import StackError
from millrace.stack.fetch import fetched
from millrace.stack.java import java
from schemas import Codec, EventType, RegistryClient
from schemas import Event as MillraceEvent
from storage import Counters
from storage.technologies import opened
from streams import DeadLetters, Kafka, Producer, Topics, partition_of
from tests.conftest import unavailable
from tests.waiting import until

HERE = Path(__file__).parent / "producer"
EVENTS = 5_000
STOCK = [Path(folder) for folder in [os.environ.get("MILLRACE_CONFLUENT_JARS")] if folder]
"""Folder of Confluent's own serializer and what it needs, which its own repository alone has: then that is used."""
SERIALIZER = "io.confluent.kafka.serializers.KafkaAvroSerializer" if STOCK else "ConfluentAvro"


@pytest.fixture(scope="session")
def classes(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The compiled program and all that it needs, as a class path."""
    compiler, out = shutil.which("javac"), tmp_path_factory.mktemp("classes")
    if compiler is None:
        unavailable(StackError("There is no Java compiler here; install a JDK (apt install default-jdk-headless)."))
    try:
        folders = [fetched(KAFKA), fetched(pinned("Avro 1.12.0", HERE / "avro-1.12.0.txt"))]
    except StackError as error:
        unavailable(error)
    path = os.pathsep.join([str(out), *(f"{folder}/*" for folder in (*folders, *STOCK))])
    command = [compiler, "--release", "17", "-cp", path, "-d", str(out), *map(str, sorted(HERE.glob("*.java")))]
    subprocess.run(command, check=True, timeout=300)
    return path


@pytest.mark.server
def test_events_of_a_java_producer_are_counted_by_a_learner(
    kafka: str, registry_url: str, redis_clean: str, classes: str
) -> None:
    topic, broker = f"sales-{uuid.uuid4().hex[:8]}", Kafka(kafka)
    learner, event_type = _turnover(topic)
    with closing(Topics(broker)) as topics:
        topics.ensure(topic, 4)
    command = [str(java()), "-cp", classes, "Emit", kafka, registry_url, topic, str(EVENTS), SERIALIZER]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr[-2_000:]
    assert dict(line.split() for line in ran.stdout.splitlines()) == {
        f"s{number}": str(partition_of(f"s{number}".encode(), 4)) for number in range(7)
    }
    expected = Counter[str]()
    for number in range(EVENTS):
        expected[f"s{number % 7}"] += number
    assert _learned(broker, registry_url, redis_clean, learner, event_type, expected) == expected


def _turnover(topic: str) -> tuple[type[EventLearner[Any]], EventType]:
    class Sale(MillraceEvent, topic=topic, key="shop", id="receipt"):
        shop: str
        amount: int
        receipt: str | None = None

    class Turnover(EventLearner[Sale]):
        sales = stream(topic, drop_repeats=10_000)
        turnover = Counters("turnover")

        def learn(self, event: Sale) -> None:
            self.turnover.add_one("all", event.shop, event.amount)

    return Turnover, Sale.event_type


def _learned(
    broker: Kafka,
    registry_url: str,
    redis: str,
    learner: type[EventLearner[Any]],
    event_type: EventType,
    expected: Counter[str],
) -> dict[str, float]:
    """What a worker has learned in the end, or after some patience."""
    stop, found = Event(), dict[str, float]()
    with (
        closing(RegistryClient(registry_url)) as registry,
        closing(opened("redis", redis)) as technology,
        Producer(broker, registry) as producer,
        ThreadPoolExecutor(1) as thread,
    ):
        worker = Worker(
            kafka=broker,
            codec=Codec(registry),
            technologies={"redis": technology},
            learners=[learner],
            event_types={event_type.topic: event_type},
            dead_letters=DeadLetters(producer),
            group=event_type.topic,
            member="one",
        )
        running = thread.submit(worker.run, stop)

        def counted() -> bool:
            if running.done():
                running.result()
            for descriptor in technology.storages():
                if descriptor.format == "counters":
                    found.update(*(row for _, row in technology.dump(descriptor) if isinstance(row, dict)))
            return sum(found.values()) >= expected.total()

        try:
            until(counted)
        finally:
            stop.set()
    return found
