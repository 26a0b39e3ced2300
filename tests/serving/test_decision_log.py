"""Every answer is logged without making one wait, and what is not logged is counted."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from typing import Any

import pytest

from schemas import DecisionId, EventType
from schemas.errors import RegistryUnavailable
from serving.decisions import backlog
from serving.decisions.entry import Entry
from serving.decisions.log import DecisionLog
from serving.sender import OnDelivery
from tests.decisions import TakesOffers


def entry(number: int = 0) -> Entry:
    return Entry(DecisionId.new(), "recommend", "popular", "abc", f"u{number}", 1.0, b"{}", b"[]", None, 0.5)


def basic(log: DecisionLog) -> dict[str, int]:
    """The counts of a log that has no spool."""
    counts = log.counts()
    assert not any(counts[name] for name in ("recovered", "spooled", "spool_bytes", "spool_seconds"))
    return {name: counts[name] for name in ("answers", "logged", "queued", "dropped")}


class Held(TakesOffers):
    """A sender that acknowledges when it is told to."""

    def __init__(self) -> None:
        self.taken: list[Mapping[str, Any]] = []
        self.waiting: list[OnDelivery] = []
        self.arrived = threading.Semaphore(0)

    def send(self, event_type: EventType, value: Mapping[str, Any], on_delivery: OnDelivery | None = None) -> None:
        assert event_type.topic == "decisions"
        assert on_delivery is not None
        self.taken.append(value)
        self.waiting.append(on_delivery)
        self.arrived.release()

    def settle(self, count: int, error: Exception | None = None) -> None:
        for _ in range(count):
            assert self.arrived.acquire(timeout=5)
            self.waiting.pop(0)(error, 0, 1)


class Stuck(Held):
    """A sender whose `send` does not come back until it is let go: its queue is full."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()

    def send(self, event_type: EventType, value: Mapping[str, Any], on_delivery: OnDelivery | None = None) -> None:
        self.go.wait(10)
        super().send(event_type, value, on_delivery)

    def offer(self, event_type: EventType, body: bytes, key: bytes, on_delivery: OnDelivery) -> bool:
        return self.go.is_set() and super().offer(event_type, body, key, on_delivery)


def test_a_decision_is_queued_until_kafka_has_it() -> None:
    sender = Held()
    log = DecisionLog(sender)
    log.start()
    log.put(entry())
    assert basic(log) == {"answers": 1, "logged": 0, "queued": 1, "dropped": 0}

    sender.settle(1)

    assert basic(log) == {"answers": 1, "logged": 1, "queued": 0, "dropped": 0}
    log.close(1)


def test_decisions_are_sent_in_the_order_of_their_answers() -> None:
    sender = Held()
    log = DecisionLog(sender)
    log.start()
    for number in range(500):
        log.put(entry(number))
    sender.settle(500)
    log.close(1)
    assert [value["unit"] for value in sender.taken] == [f"u{number}" for number in range(500)]


def test_an_answer_never_waits_even_if_the_sender_does() -> None:
    sender = Stuck()
    log = DecisionLog(sender, limit=100)
    log.start()
    began = time.monotonic()
    for number in range(1000):
        log.put(entry(number))
    took = time.monotonic() - began

    assert took < 10
    assert basic(log) == {"answers": 1000, "logged": 0, "queued": 100, "dropped": 900}
    sender.go.set()
    sender.settle(100)
    log.close(1)
    assert basic(log) == {"answers": 1000, "logged": 100, "queued": 0, "dropped": 900}


def test_decisions_under_way_count_against_the_limit_and_make_room_when_they_are_acknowledged() -> None:
    sender = Held()
    log = DecisionLog(sender, limit=2)
    log.start()
    for number in range(3):
        log.put(entry(number))
    sender.settle(2)
    log.put(entry(3))
    sender.settle(1)
    log.close(1)
    assert basic(log) == {"answers": 4, "logged": 3, "queued": 0, "dropped": 1}


def test_a_decision_that_kafka_refuses_is_counted_as_dropped_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    sender = Held()
    log = DecisionLog(sender)
    log.start()
    for number in range(5):
        log.put(entry(number))
    sender.settle(5, ConnectionError("no broker"))
    log.close(1)
    assert basic(log) == {"answers": 5, "logged": 0, "queued": 0, "dropped": 5}
    assert len([record for record in caplog.records if "no broker" in record.getMessage()]) == 1


def test_a_registry_that_is_away_loses_no_decision(monkeypatch: pytest.MonkeyPatch) -> None:
    class Away(Held):
        tries = 0

        def send(self, event_type: EventType, value: Mapping[str, Any], on_delivery: OnDelivery | None = None) -> None:
            self.tries += 1
            if self.tries < 4:
                raise RegistryUnavailable("away")
            super().send(event_type, value, on_delivery)

    monkeypatch.setattr(backlog, "PAUSE", 0.001)
    sender = Away()
    log = DecisionLog(sender)
    log.start()
    log.put(entry(1))
    log.put(entry(2))
    sender.settle(2)
    log.close(1)
    assert [value["unit"] for value in sender.taken] == ["u1", "u2"]
    assert log.counts()["dropped"] == 0


def test_closing_waits_until_all_is_acknowledged() -> None:
    sender = Held()
    log = DecisionLog(sender)
    log.start()
    for number in range(50):
        log.put(entry(number))
    acknowledging = threading.Thread(target=sender.settle, args=(50,))
    acknowledging.start()
    log.close(10)
    assert log.counts()["logged"] == 50
    acknowledging.join()


def test_closing_does_not_wait_longer_than_it_may_and_says_what_was_left(caplog: pytest.LogCaptureFixture) -> None:
    log = DecisionLog(Held())
    log.start()
    log.put(entry())
    began = time.monotonic()
    with caplog.at_level(logging.ERROR):
        log.close(0.05)
    assert time.monotonic() - began < 10
    assert "1 decisions were not acknowledged" in caplog.text


def test_a_request_that_is_no_utf8_is_logged_all_the_same() -> None:
    sender = Held()
    log = DecisionLog(sender)
    log.start()
    log.put(entry()._replace(request=b'{"x": "\xff"}'))
    sender.settle(1)
    log.close(1)
    assert sender.taken[0]["request"] == '{"x": "\N{REPLACEMENT CHARACTER}"}'
