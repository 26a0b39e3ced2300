"""`millrace archive run`, killed at random and stopped past its session while another takes over: each event once."""

from __future__ import annotations

import os
import random
import signal
import threading
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import pytest

import millrace as mr
from benchmarks.process import PYTHON, process
from millrace.settings import Settings
from millrace.stack.plan import variables
from schemas import EventType
from streams import Kafka, Topics
from streams.archive import Shelf
from tests.waiting import until

KILLS = int(os.environ.get("MILLRACE_KILLS", "4"))


def event_type(topic: str) -> EventType:
    fields = [{"name": "user", "type": "string"}, {"name": "number", "type": "long"}]
    return EventType(topic, {"type": "record", "name": "Note", "fields": fields, "millrace.archive": True}, key="user")


@pytest.fixture
def settings(kafka: str, registry_url: str, tmp_path: Path) -> Settings:
    """Of a platform whose archivers commit as often as they can."""
    return Settings(kafka=kafka, registry_url=registry_url, archive_url=str(tmp_path / "archive"), archive_seconds=0)


@pytest.fixture
def topic(kafka: str) -> Iterator[str]:
    name = f"notes-{uuid.uuid4().hex[:8]}"
    with closing(Topics(Kafka(kafka))) as topics:
        topics.ensure(name, 3)
        yield name


@pytest.mark.server
@pytest.mark.timeout(120 + 20 * KILLS)
def test_each_event_is_archived_once_whoever_is_killed(settings: Settings, topic: str, tmp_path: Path) -> None:
    chance, over, sent = random.Random(7), threading.Event(), [0]
    table = Shelf(settings.archive_url).table(topic)
    environment = {**variables(replace(settings, partitions=3)), "MILLRACE_ARCHIVE_SECONDS": "0"}

    def send() -> None:
        with mr.Producer(settings) as events:
            while not over.is_set():
                for _ in range(200):
                    events.send(event_type(topic), {"user": f"u{sent[0] % 97}", "number": sent[0]})
                    sent[0] += 1
                events.flush()
                over.wait(0.02)

    def start(stack: ExitStack, name: str, run: int) -> int:
        log = tmp_path / f"{name}-{run}.log"
        return stack.enter_context(
            process(log, [*PYTHON, "millrace", "archive", "run", "--name", name], environment)
        ).pid

    def rows() -> int:
        return int(table.size()["rows"]) if table.look() else 0

    sending = threading.Thread(target=send)
    sending.start()
    try:
        with ExitStack() as stack:
            running = start(stack, "one", 0)
            for kill in range(KILLS):
                before = rows()
                until(lambda before=before: rows() > before + chance.randrange(300))  # type: ignore[misc]
                os.kill(running, signal.SIGSTOP if kill % 4 == 3 else signal.SIGKILL)
                stopped, running = running, start(stack, "two" if kill % 4 == 3 else "one", kill + 1)
                if kill % 4 == 3:
                    before = rows()
                    until(lambda before=before: rows() > before)  # type: ignore[misc]
                    os.kill(stopped, signal.SIGCONT)  # it still believes to own its partitions
                    until(lambda before=before: rows() > before + 1_000)  # type: ignore[misc]
                    os.kill(running, signal.SIGKILL)
                    running = stopped
            over.set()
            sending.join()
            until(lambda: rows() >= sent[0])
    finally:
        over.set()
        sending.join()

    found = mr.scan(topic, fresh=False, settings=settings).select("number", "_partition", "_offset").collect()
    assert sorted(found["number"]) == list(range(sent[0]))
    assert found.select("_partition", "_offset").is_unique().all()
    assert sorted(mr.scan(topic, settings=settings).collect()["number"]) == list(range(sent[0]))
