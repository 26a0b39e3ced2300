"""The same fold over the archive and over live Kafka gives the same rows."""

from __future__ import annotations

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from benchmarks.prove_chain.attack import rows_of
from learners import EventLearner, FrameLearner, Replay, Worker, stream
from schemas import Codec, Event, EventType, Record, RegistryClient
from storage import Counters, Ranking, Records
from storage.technologies import opened
from streams import Batch, DeadLetters, Kafka, Producer, Topics
from streams.archive import ArchivedLog, Archiver, Shelf
from tests.waiting import until

EVENTS, PARTITIONS = 3_000, 3
START = datetime(2026, 11, 1, tzinfo=UTC)
TOPIC = f"views-{uuid.uuid4().hex[:8]}"


class View(Event, topic=TOPIC, key="user"):
    """Somebody has looked at something."""

    user: str
    item: str
    weight: float
    at: datetime


class Seen(Record):
    """What somebody has looked at, the last at the end."""

    user: str
    items: list[str]


class Views(FrameLearner):
    """Adds, over frames."""

    views = stream(TOPIC)
    counted = Counters("views_of_item")
    ranked = Ranking("weights", half_life=timedelta(hours=1))

    def learn(self, batch: Batch) -> None:
        self.counted.add(batch.frame, key="item")
        self.ranked.add(batch.frame.with_columns(pl.lit("all").alias("list")), "list", "item", "weight", "at")


class History(EventLearner[View]):
    """Reads its own rows back."""

    seen = Records("seen", Seen)

    def learn(self, event: View) -> None:
        before = self.seen.get(event.user) or Seen(event.user, [])
        self.seen.put_one(event.user, Seen(event.user, [*before.items[-20:], event.item]))


def view(number: int) -> dict[str, object]:
    at = START + timedelta(seconds=number)
    return {"user": f"u{number * 7 % 41}", "item": f"i{number % 23}", "weight": number % 10 / 10, "at": at}


@pytest.mark.server
def test_the_rows_of_a_fold_over_the_archive_are_those_of_the_worker(
    kafka: str, registry_url: str, redis_clean: str, tmp_path: Path
) -> None:
    types: dict[str, EventType] = {TOPIC: View.event_type}
    broker, stop, table = Kafka(kafka), threading.Event(), Shelf(str(tmp_path)).table(TOPIC)
    with ExitStack() as stack:
        topics = stack.enter_context(closing(Topics(broker)))
        registry = stack.enter_context(closing(RegistryClient(registry_url)))
        producer = stack.enter_context(Producer(broker, registry))
        live = stack.enter_context(closing(opened("redis", redis_clean)))
        threads = stack.enter_context(ThreadPoolExecutor(2))
        stack.callback(stop.set)
        registry.register(View.event_type)
        topics.ensure(TOPIC, PARTITIONS)
        letters = DeadLetters(producer)
        worker = Worker(broker, Codec(registry), {"redis": live}, [Views, History], types, letters, TOPIC, "one")
        archiver = Archiver(
            broker, registry, lambda: types, Shelf(str(tmp_path)), letters, "one", patience=0.2, group=f"{TOPIC}-kept"
        )
        running = [threads.submit(worker.run, stop), threads.submit(archiver.run, stop)]
        for number in range(EVENTS):
            producer.send(View.event_type, view(number))
        producer.send_bytes(TOPIC, b"u1", b"no event")
        producer.flush()

        replay = Replay([Views, History], types, PARTITIONS)
        until(lambda: table.look() and table.size()["rows"] == EVENTS)
        for batch, _ in ArchivedLog(table, View.event_type).batches():
            replay.fold_batch(batch)
        expected = rows_of(replay.memory)
        exact = {name: rows for name, rows in expected.items() if name != "weights"}
        until(lambda: {name: rows_of(live).get(name) for name in exact} == exact)
        stop.set()
        for each in running:
            each.result()
        assert sum(row["count"] for row in expected["views_of_item"].values()) == EVENTS
        assert rows_of(live)["weights"].keys() == expected["weights"].keys()
        for key, members in rows_of(live)["weights"].items():
            assert members == pytest.approx(expected["weights"][key], rel=1e-9)
