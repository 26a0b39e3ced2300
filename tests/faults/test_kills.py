"""Workers are killed, frozen past their session and woken again: no event is lost and none counts twice."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from learners.declaration import Declaration
from schemas import RegistryClient
from storage import Catalogue, CountersReader, RankingReader, RecordsReader, Redis, RedisReads
from streams import Kafka, Producer, Topics
from tests.faults.product import (
    PARTITIONS,
    control_counts,
    control_histories,
    control_trend,
    event_type,
    learners,
    rating_events,
)
from tests.faults.workers import WorkerProcess, hit, until
from tests.learners.samples import History

KILLS = int(os.environ.get("MILLRACE_KILLS", "8"))
PACE = 2_000
EVENTS = max(40_000, KILLS * 5_000)


class Stage:
    """A topic that is being written, two workers that fold it, and the storages they write."""

    def __init__(self, kafka: str, registry_url: str, redis_url: str, folder: Path) -> None:
        self.topic = f"faults-{uuid.uuid4().hex[:8]}"
        self.redis_url = redis_url
        self._kafka = Kafka(kafka)
        self._registry = RegistryClient(registry_url)
        self.topics = Topics(self._kafka)
        self.topics.ensure(self.topic, PARTITIONS)
        self._registry.register(event_type(self.topic))
        arguments = [kafka, registry_url, redis_url, self.topic]
        self.workers = [WorkerProcess(arguments, f"{self.topic}-{n}", folder) for n in range(2)]
        self.events: list[dict[str, Any]] = []
        self.enough = threading.Event()
        self._thread = threading.Thread(target=self._produce)

    def produce(self) -> None:
        """Write events at a steady pace from now on, until there are `EVENTS` and the attacks are over."""
        self._thread.start()

    def lines(self) -> Iterator[dict[str, Any]]:
        for worker in self.workers:
            worker.look()
            yield from worker.lines

    def finish(self) -> None:
        """Wait until all that was written is committed by every learner."""
        self.enough.set()
        self._thread.join()
        technology = Redis(self.redis_url)
        declarations = [Declaration.of(item, {self.topic: event_type(self.topic)}) for item in learners(self.topic)]
        ends = {place[1]: high for place, (_, high) in self.topics.ends([self.topic]).items()}
        assert sum(ends.values()) == len(self.events)
        for declaration in declarations:
            [storage] = list(declaration.storages.values())[:1]
            descriptor = technology.declare(storage.describe(declaration.name, 1, 1, self.topic))
            until(
                lambda descriptor=descriptor: (
                    {  # type: ignore[misc]
                        state.unit.partition: state.next for state in technology.units(descriptor)
                    }
                    == ends
                ),
                patience=60,
                what=f"{declaration.name} reaching the end",
            )
        technology.close()

    def close(self) -> None:
        self.enough.set()
        for worker in self.workers:
            worker.close()
        if self._thread.is_alive():
            self._thread.join()
        self.topics.close()
        self._registry.close()

    def _produce(self) -> None:
        kind, started = event_type(self.topic), time.monotonic()
        with Producer(self._kafka, self._registry) as producer:
            for event in rating_events(10 * EVENTS, seed=3):
                self.events.append(event)
                producer.send(kind, event)
                number = len(self.events)
                if number % 20 == 0:
                    time.sleep(max(0.0, started + number / PACE - time.monotonic()))
                if number >= EVENTS and self.enough.is_set():
                    break


@pytest.fixture
def stage(kafka: str, registry_url: str, redis_url: str, redis_clean: object, tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(kafka, registry_url, redis_url, tmp_path)
    yield stage
    stage.close()


def kill_at_random_moments(stage: Stage, chance: random.Random, kills: int) -> int:
    """SIGKILL one worker or the other, each shortly after messages reached it; returns how many hit such messages."""
    evidence = []
    for _ in range(kills):
        victim = chance.choice(stage.workers)
        victim.until_delivered()
        time.sleep(chance.random() * 0.02)
        process = victim.process.pid
        victim.kill()
        evidence.append((victim.delivered(process), time.time()))
        victim.start()
        victim.until_delivered()
    return sum(hit(before, at, stage.lines()) for before, at in evidence)


def freeze_past_the_session(stage: Stage, frozen: WorkerProcess, other: WorkerProcess) -> None:
    """SIGSTOP until the other worker has claimed all partitions, then SIGCONT: a zombie with messages in hand."""
    frozen.until_delivered()
    frozen.tell(signal.SIGSTOP)
    at = time.time()
    held = frozen.delivered(frozen.process.pid)

    def taken() -> bool:
        other.look()
        claims = {line["claimed"][1] for line in other.lines if "claimed" in line and line["at"] > at}
        return claims >= {partition for _, partition in held}

    until(taken, patience=40, what="the other worker taking over")
    frozen.tell(signal.SIGCONT)
    frozen.until_delivered()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_after_kills_and_a_zombie_the_rows_are_exactly_the_fold_of_the_log(stage: Stage) -> None:
    chance = random.Random(11)
    stage.produce()
    for worker in stage.workers:
        worker.until_delivered()
    hits = kill_at_random_moments(stage, chance, KILLS // 2)
    freeze_past_the_session(stage, *stage.workers)
    while hits < KILLS:
        hits += kill_at_random_moments(stage, chance, 1)
    stage.finish()
    asyncio.run(compare(stage.redis_url, stage.events))


async def compare(redis_url: str, events: Sequence[dict[str, Any]]) -> None:
    """Integers and owned rows must be equal, decayed scores at 1e-9."""
    reads = RedisReads(redis_url)
    try:
        catalogue = Catalogue({"redis": reads})
        await catalogue.refresh()
        counts = control_counts(events)
        counters = catalogue.reader(CountersReader, "item_counts")
        assert dict(zip(counts, await counters.get_many(list(counts)), strict=True)) == counts
        histories = control_histories(events)
        records = catalogue.reader(RecordsReader, "histories", record=History)
        found = dict(zip(histories, await records.get_many(list(histories)), strict=True))
        assert {user: row.items for user, row in found.items() if row is not None} == histories
        trend = control_trend(events)
        ranking = catalogue.reader(RankingReader, "trend")
        assert dict(await ranking.top("all", len(trend))) == pytest.approx(trend, rel=1e-9)
    finally:
        await reads.close()
