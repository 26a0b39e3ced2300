"""Archivers are killed at random, and stopped until another has taken over, while events come: each is kept once."""

from __future__ import annotations

import os
import random
import signal
import threading
import uuid
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path

import millrace as mr
from benchmarks.process import millrace_process
from benchmarks.prove_batch import rebuilt
from benchmarks.prove_batch.extent import Extent
from benchmarks.prove_storage.member import until
from benchmarks.prove_streams.stage import broker, own_redis
from benchmarks.report import say
from millrace.archive import shelf_of
from millrace.settings import Settings
from schemas import EventType
from streams import Kafka, Topics

PARTITIONS = 3
PATIENCE = 180.0
STOPPED = 3
"""Every fourth one is not killed, but stopped until another has taken over, and goes on then."""
FIELDS = [{"name": "user", "type": "string"}, {"name": "number", "type": "long"}]


@dataclass(frozen=True)
class Found:
    """What came of it: kills and stops, events that were sent, and those that the archive lacks or has too often."""

    kills: int
    sent: int
    lost: int
    doubled: int


def measure(folder: Path, extent: Extent) -> dict[str, float | None]:
    """The key of kills: how many of archivers and rebuilds, where nothing was lost or doubled and no reader waited."""
    with broker(folder / "stack") as settings:
        found = attacked(folder, settings, extent.kills)
        with own_redis(folder / "redis", settings) as own:
            filled = rebuilt.attacked(folder / "rebuild", own, extent.rebuild_kills, 5_000 * extent.rebuild_kills)
    say(f"rebuilds: {filled}")
    if found.lost or found.doubled:
        raise RuntimeError(f"The archive is wrong: {found}")
    if not filled.equal or filled.reading.failed:
        raise RuntimeError(f"The rebuild is wrong: {filled}")
    return {"kills": found.kills + filled.kills}


def attacked(folder: Path, settings: Settings, kills: int, seed: int = 7) -> Found:
    """Archive a topic of its own while that is done so often. Blocks until all is archived."""
    topic, own = f"notes-{uuid.uuid4().hex[:8]}", replace(settings, archive_url=str(folder / "kept"), archive_seconds=0)
    with closing(Topics(Kafka(own.kafka))) as topics:
        topics.ensure(topic, PARTITIONS)
    schema = {"type": "record", "name": "Note", "fields": FIELDS, "millrace.archive": True}
    over, sent = threading.Event(), [0]
    sending = threading.Thread(target=_send, args=(own, EventType(topic, schema, key="user"), over, sent))
    sending.start()
    table = shelf_of(own).table(topic)

    def rows() -> int:
        return int(table.size()["rows"]) if table.look() else 0

    try:
        _attack(folder, own, kills, random.Random(seed), rows)
        over.set()
        sending.join()
        with millrace_process(folder / "last", own, "archive", "run"):
            until(lambda: rows() >= sent[0], PATIENCE, "the archive holds everything")
    finally:
        over.set()
        sending.join()
    kept = mr.scan(topic, fresh=False, settings=own).collect()["number"]
    every = mr.scan(topic, settings=own).collect()["number"]
    doubled = kept.len() - kept.n_unique() + every.len() - every.n_unique()
    return Found(kills, sent[0], len(set(range(sent[0])).difference(kept)), doubled)


def _attack(folder: Path, settings: Settings, kills: int, chance: random.Random, rows: Callable[[], int]) -> None:
    def more(least: int) -> None:
        before = rows()
        until(lambda: rows() > before + least, PATIENCE, "events are archived")

    with ExitStack() as stack:

        def begin(name: str, number: int) -> int:
            started = millrace_process(folder / f"{name}-{number}", settings, "archive", "run", "--name", name)
            return stack.enter_context(started).pid

        running = begin("one", 0)
        for number in range(1, kills + 1):
            more(chance.randrange(300))
            if number % (STOPPED + 1):
                os.kill(running, signal.SIGKILL)
                running = begin("one", number)
                continue
            os.kill(running, signal.SIGSTOP)
            other = begin("two", number)
            more(0)
            os.kill(running, signal.SIGCONT)  # it still believes to own its partitions
            more(1_000)
            os.kill(other, signal.SIGKILL)


def _send(settings: Settings, event_type: EventType, over: threading.Event, sent: list[int]) -> None:
    with mr.Producer(settings) as events:
        while not over.is_set():
            for _ in range(200):
                events.send(event_type, {"user": f"u{sent[0] % 97}", "number": sent[0]})
                sent[0] += 1
            events.flush()
            over.wait(0.02)
