"""A storage that takes nothing for longer than a session: what a worker holds stays within its memory, it polls on and
keeps its place in the group, and afterwards every event counts once."""

from __future__ import annotations

import time
from contextlib import ExitStack, closing
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from learners import FrameLearner
from schemas import Event as EventBase
from storage import Outcome, Records, Technology
from storage.technologies import opened
from streams import Batch
from tests.faults.crew import PARTITIONS, crew
from tests.waiting import until

SIZE = 200_000
EVENTS = 500
MEMORY = 32
AROUND = 50
"""Megabytes that a worker takes whatever it holds: clients, threads, what the allocator keeps."""
SESSION = 6.0
MEGABYTE = 1 << 20


class Page(EventBase, topic="pages", key="url"):
    """A page as it was found."""

    url: str
    text: str


class Pages(FrameLearner):
    """The text of each page."""

    pages = Records("pages", Page)

    def learn(self, batch: Batch) -> None:
        self.pages.put(batch.frame, key="url")


class Gate:
    """A storage to which no commit gets through while it is shut."""

    def __init__(self, technology: Technology) -> None:
        self._technology = technology
        self.open, self.reached = Event(), Event()

    def commit(self, *arguments: Any) -> Outcome:
        self.reached.set()
        assert self.open.wait(60)
        return self._technology.commit(*arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._technology, name)


def resident() -> float:
    """Megabytes of this process's memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / MEGABYTE


@pytest.mark.server
def test_large_events_before_a_storage_that_takes_nothing_stay_within_the_workers_memory(
    kafka: str, registry_url: str, redis_clean: str
) -> None:
    with closing(opened("redis", redis_clean)) as redis, ExitStack() as started:
        gate: Any = Gate(redis)
        workers = started.enter_context(crew(kafka, registry_url, gate, Page.event_type, [Pages]))
        # Given more large events than the worker may hold, and a storage that takes nothing
        for number in range(0, EVENTS, 50):
            workers.send([{"url": f"u{n}", "text": f"{n:0{SIZE}}"} for n in range(number, number + 50)])
        before = most = resident()
        first = workers.start("one", memory=MEMORY)
        assert gate.reached.wait(60)
        end = time.monotonic() + SESSION + 1
        while time.monotonic() < end:
            most = max(most, resident())
            time.sleep(0.01)
        # Then it holds no more than it may, and another member gets its share although nothing is committed
        print(f"{most - before:.0f} MB more at most")
        assert most - before < MEMORY + AROUND
        assert len(first.partitions) == PARTITIONS
        second = workers.start("two", memory=MEMORY)
        until(lambda: len(first.partitions) == len(second.partitions) == 1, patience=10)
        # and when the storage takes commits again every event counts once
        gate.open.set()
        until(workers.level)
        assert len(list(redis.dump(redis.storages()[0]))) == EVENTS
