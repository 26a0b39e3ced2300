"""Late events on a real log: the same ones are late however often a worker begins anew, and each is a dead letter."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from threading import Event as Flag
from typing import Any

import pytest

from learners import FrameLearner, Late, Replay, Worker, stream
from learners.declaration import Declaration
from schemas import Codec, EventType, RegistryClient
from storage import Counters, Technology, Tumbling, to_frame
from storage.technologies import opened
from streams import Batch, DeadLetters, Kafka, Producer, Topics
from streams.dead_letters.reader import LetterReader
from tests.learners.samples import START, Rating
from tests.waiting import until

EVENTS = 3_000


def late_ratings() -> list[Rating]:
    """Of seven users; those of each come up to two minutes out of order, where one is allowed."""
    return [
        Rating(f"u{n % 7}", f"i{n % 11}", 1 + n % 5, START + timedelta(seconds=n * 2 - n * 7919 % 121))
        for n in range(EVENTS)
    ]


def minutely(topic: str) -> type[FrameLearner]:
    class Minutely(FrameLearner):
        """Ratings of each film by minute."""

        name = f"minutely_{topic[-8:]}"
        ratings = stream(topic, late=Late(timedelta(minutes=1), "dead_letter"))
        counts = Counters(f"per_minute_{topic[-8:]}", window=Tumbling(minutes=1), technology="relational")

        def learn(self, batch: Batch) -> None:
            self.counts.add(batch.frame, key="item", at="at")

    return Minutely


@contextmanager
def folding(worker: Worker) -> Iterator[None]:
    stop = Flag()
    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(worker.run, stop)
        try:
            yield
        finally:
            stop.set()
            running.result()


@pytest.mark.server
def test_late_events_are_the_same_however_often_a_worker_begins_anew(
    kafka: str, registry_url: str, tmp_path: Path
) -> None:
    topic, broker = f"late-{uuid.uuid4().hex[:8]}", Kafka(kafka)
    event_type = EventType(topic, Rating.event_type.schema, "user", Rating)
    learner, events = minutely(topic), late_ratings()
    with (
        closing(Topics(broker)) as topics,
        closing(RegistryClient(registry_url)) as registry,
        Producer(broker, registry) as producer,
        closing(opened("relational", f"sqlite:///{tmp_path / 'rows.db'}")) as technology,
    ):
        topics.ensure(topic, 2)
        registry.register(event_type)

        def worker() -> Worker:
            return Worker(
                kafka=broker,
                codec=Codec(registry),
                technologies={"relational": technology},
                learners=[learner],
                event_types={topic: event_type},
                dead_letters=DeadLetters(producer),
                group=topic,
                member="one",
            )

        for part in (1, 2, 3):
            for event in events[(part - 1) * EVENTS // 3 : part * EVENTS // 3]:
                producer.send(event_type, event.to_dict())
            producer.flush()
            with folding(worker()):
                until(partial(all_folded, technology, learner, event_type, part * EVENTS // 3))

        replay = Replay([learner], {topic: event_type}, partitions=2)
        replay.fold(topic, event_type.frame(events))
        described = Declaration.of(learner, {topic: event_type}).descriptors(1)
        [counts, times] = [next(item for item in described if item.format == kind) for kind in ("counters", "records")]
        assert to_frame(learner.counts, technology, counts).equals(next(iter(replay.frames().values())))  # type: ignore[attr-defined]
        assert dict(technology.dump(times)) == dict(replay.memory.dump(times))
        letters = [letter.event for letter in LetterReader(broker).read(topic)]
    late = sum(row["late"] for row in rows_of(replay, times.storage))
    assert late == len({(letter.partition, letter.offset) for letter in letters}) > 100
    assert {letter.error for letter in letters} == {"LateEvent"}
    assert all(re.search("takes it as late: it happened at 202.* and the watermark", item.reason) for item in letters)
    assert all(letter.value and letter.key for letter in letters)


def all_folded(technology: Technology, learner: type[Any], event_type: EventType, events: int) -> bool:
    described = Declaration.of(learner, {event_type.topic: event_type}).descriptors(1)
    return sum(state.next or 0 for state in technology.units(described[0])) == events


def rows_of(replay: Replay, storage: str) -> list[dict[str, Any]]:
    return [dict(row) for (name, _, _), row in replay.rows().items() if name == storage]
