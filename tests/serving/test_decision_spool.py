"""Kafka is away, and comes back: no answer waits, and no decision that the spool has taken is lost or out of order."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import msgspec
import pytest

from schemas import EventType
from schemas.errors import MillraceError
from serving.decisions import backlog
from serving.decisions import log as decision_log
from serving.decisions.entry import values_of
from serving.decisions.log import DecisionLog
from serving.sender import OnDelivery
from serving.spool import Spool
from tests.decisions import TakesOffers
from tests.serving.looped import Looped, looping, on
from tests.serving.test_decision_log import entry
from tests.waiting import until


class Away(MillraceError):
    passes = True


class Kafka(TakesOffers):
    """Acknowledges what is sent while it is there; while it is away it refuses, or says nothing at all."""

    def __init__(self, there: bool, silent: bool = False) -> None:
        self.there, self.silent = there, silent
        self.log: list[str] = []
        self._held: list[tuple[str, OnDelivery]] = []
        self._lock = threading.Lock()

    def send(self, event_type: EventType, value: Mapping[str, Any], on_delivery: OnDelivery | None = None) -> None:
        assert on_delivery is not None
        with self._lock:
            if self.silent:
                self._held.append((value["unit"], on_delivery))
                return
            if self.there:
                self.log.append(value["unit"])
        on_delivery(None if self.there else Away("no broker"), 0, 0)

    def back(self) -> None:
        """It answers again, also what was sent while it was silent."""
        with self._lock:
            self.there, self.silent = True, False
            self.log += [unit for unit, _ in self._held]
        for _, on_delivery in self._held:
            on_delivery(None, 0, 0)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same, in less time."""
    monkeypatch.setattr(backlog, "PAUSE", 0.01)
    monkeypatch.setattr(backlog, "PATIENCE", 0.05)
    monkeypatch.setattr(decision_log, "LOOK", 0.01)


@pytest.fixture(params=["on a thread", "on an event loop"])
def started(request: pytest.FixtureRequest) -> Iterator[Callable[..., DecisionLog]]:
    """Makes logs that run, and ends them. They hand over by their thread, or on an event loop."""
    logs: list[DecisionLog] = []
    with looping() as loop:

        def start(kafka: object, folder: Path, megabytes: float = 10, **options: int) -> DecisionLog:
            spool = Spool(folder, int(megabytes * 1_000_000))
            if request.param == "on a thread":
                log = DecisionLog(kafka, spool, **options)  # type: ignore[arg-type]
                log.start()
            else:
                log = Looped(loop, kafka, spool, **options)
                on(loop, lambda: log.start(loop))
            logs.append(log)
            return log

        yield start
        for log in logs:
            log.close(0.1)


def put(log: DecisionLog, first: int, count: int) -> None:
    for number in range(first, first + count):
        log.put(entry(number))


def count(log: DecisionLog, name: str) -> int:
    return log.counts()[name]


Started = Callable[..., DecisionLog]


def test_while_kafka_refuses_decisions_go_to_disk_and_then_to_kafka_in_order(tmp_path: Path, started: Started) -> None:
    kafka = Kafka(there=False)
    log = started(kafka, tmp_path)
    put(log, 0, 500)
    until(lambda: count(log, "spooled") == 500)
    put(log, 500, 500)
    until(lambda: count(log, "spooled") == 1000)
    assert (count(log, "queued"), count(log, "dropped")) == (0, 0)
    assert count(log, "spool_bytes") > 100_000

    kafka.back()
    until(lambda: count(log, "logged") == 1000)
    assert kafka.log == [f"u{number}" for number in range(1000)]
    until(lambda: count(log, "spool_bytes") == 0)
    assert count(log, "spooled") == 0


def test_while_kafka_says_nothing_all_that_it_did_not_acknowledge_is_on_disk_and_is_sent_once(
    tmp_path: Path, started: Started
) -> None:
    kafka = Kafka(there=True, silent=True)
    log = started(kafka, tmp_path)
    put(log, 0, 100)
    until(lambda: count(log, "spooled") == 100)
    put(log, 100, 100)
    until(lambda: count(log, "spooled") == 200)
    kafka.back()
    until(lambda: count(log, "logged") == 200)
    assert kafka.log == [f"u{number}" for number in range(200)]


def test_what_follows_goes_straight_to_kafka_again(tmp_path: Path, started: Started) -> None:
    kafka = Kafka(there=False)
    log = started(kafka, tmp_path)
    put(log, 0, 10)
    until(lambda: count(log, "spooled") == 10)
    kafka.back()
    until(lambda: count(log, "logged") == 10)
    put(log, 10, 1000)
    until(lambda: count(log, "logged") == 1010)
    assert kafka.log == [f"u{number}" for number in range(1010)]
    assert count(log, "dropped") == 0


def test_queue_then_spool_then_a_counted_drop(tmp_path: Path, started: Started) -> None:
    kafka = Kafka(there=False)
    log = started(kafka, tmp_path, megabytes=0.05, limit=100)
    given = 60
    put(log, 0, given)
    until(lambda: count(log, "spooled") == 60)
    while not count(log, "dropped"):
        put(log, given, 10)
        given += 10
        assert given < 10_000
        time.sleep(0.001)
    counts = log.counts()
    assert counts["spooled"] >= 60
    assert counts["spool_bytes"] <= 50_000
    assert counts["queued"] <= 100
    assert given == counts["spooled"] + counts["queued"] + counts["dropped"]

    kafka.back()
    until(lambda: count(log, "logged") + count(log, "dropped") == given)
    sent = [int(unit[1:]) for unit in kafka.log]
    assert len(sent) == count(log, "logged")
    assert sent == sorted(sent)


def test_a_sender_that_never_comes_back_keeps_nobody_from_the_disk(tmp_path: Path, started: Started) -> None:
    go = threading.Event()

    class Stuck(Kafka):
        def send(self, *of: Any) -> None:
            go.wait(60)
            super().send(*of)

        def offer(self, *of: Any) -> bool:
            return go.is_set() and super().offer(*of)

    kafka = Stuck(there=True)
    log = started(kafka, tmp_path, limit=1000)
    put(log, 0, 900)
    until(lambda: count(log, "spooled") >= 899)
    put(log, 900, 900)
    until(lambda: count(log, "spooled") >= 1799)
    go.set()
    until(lambda: count(log, "logged") == 1800)
    assert kafka.log == [f"u{number}" for number in range(1800)]


def test_what_a_stopped_service_could_not_send_is_sent_by_the_next(tmp_path: Path, started: Started) -> None:
    log = started(Kafka(there=True, silent=True), tmp_path)
    put(log, 0, 100)
    log.close(60)
    assert (count(log, "queued"), count(log, "spooled")) == (0, 100)

    kafka = Kafka(there=True)
    following = started(kafka, tmp_path)
    put(following, 100, 10)
    until(lambda: count(following, "logged") == 110)
    assert kafka.log == [f"u{number}" for number in range(110)]
    assert count(following, "recovered") == 100


def spool_and_be_killed(folder: Path) -> None:
    decision_log.LOOK = backlog.PAUSE = 0.01
    log = DecisionLog(Kafka(there=False), Spool(folder, 10_000_000))
    log.start()
    for first in range(0, 3000, 100):
        put(log, first, 100)
        until(lambda: count(log, "spooled") == count(log, "answers"))
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("started", ["on a thread"], indirect=True)
def test_what_is_in_the_spool_survives_a_kill(tmp_path: Path, started: Started) -> None:
    killed = get_context("spawn").Process(target=spool_and_be_killed, args=(tmp_path,), daemon=True)
    killed.start()
    killed.join(120)
    assert killed.exitcode == -9
    kafka = Kafka(there=True)
    log = started(kafka, tmp_path)
    put(log, 3000, 1)
    until(lambda: count(log, "logged") == 3001)
    assert kafka.log == [f"u{number}" for number in range(3001)]


def test_a_decision_that_cannot_be_read_again_is_dropped_and_counted(tmp_path: Path, started: Started) -> None:
    spool = Spool(tmp_path, 1_000_000)
    spool.open()
    wrong_id = msgspec.msgpack.encode({**values_of(entry()), "id": "no id"})
    assert spool.append([(0, b"\xc1 no decision"), (0, wrong_id)]) == 2
    spool.close()
    kafka = Kafka(there=True)
    log = started(kafka, tmp_path)
    put(log, 0, 1)
    expected = {"answers": 1, "logged": 1, "recovered": 2, "dropped": 2}
    expected |= dict.fromkeys(("queued", "spooled", "spool_bytes", "spool_seconds"), 0)
    until(lambda: log.counts() == expected)


def test_a_decision_that_kafka_refuses_does_not_hold_up_those_behind_it(tmp_path: Path, started: Started) -> None:
    class Picky(Kafka):
        def send(self, event_type: EventType, value: Mapping[str, Any], on_delivery: OnDelivery | None = None) -> None:
            if self.there and value["unit"] == "u3" and on_delivery is not None:
                on_delivery(MillraceError("too large"), -1, -1)
            else:
                super().send(event_type, value, on_delivery)

    kafka = Picky(there=False)
    log = started(kafka, tmp_path)
    put(log, 0, 10)
    until(lambda: count(log, "spooled") == 10)
    kafka.back()
    until(lambda: count(log, "logged") == 9)
    assert count(log, "dropped") == 1
    assert "u3" not in kafka.log
