"""Decisions are handed over on the event loop that gives the answers, without holding it up; a thread takes what cannot
be handed over so."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import Any

import pytest

from schemas import EventType
from schemas.errors import MillraceError, RegistryUnavailable
from serving.decisions import backlog
from serving.sender import OnDelivery
from tests.decisions import TakesOffers, read_decision
from tests.serving.looped import Looped, looping, on
from tests.serving.test_decision_log import entry
from tests.waiting import until


class Kafka(TakesOffers):
    """Acknowledges at once what is sent; may refuse what is offered. Notes on which thread it was given what."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.offered: list[str] = []
        self.threads: dict[str, int] = {}
        self.refuses: Callable[[], bool] = lambda: False
        self.failure: Exception | None = None

    def send(self, event_type: EventType, value: Mapping[str, Any], on_delivery: OnDelivery | None = None) -> None:
        assert on_delivery is not None
        self.threads[value["unit"]] = threading.get_ident()
        self.sent.append(value["unit"])
        on_delivery(None, 0, 0)

    def offer(self, event_type: EventType, body: bytes, key: bytes, on_delivery: OnDelivery) -> bool:
        value = read_decision(body)
        assert (event_type.topic, key) == ("decisions", value["unit"].encode())
        self.offered.append(value["unit"])
        if self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure
        if self.refuses():
            return False
        self.send(event_type, value, on_delivery)
        return True


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    with looping() as loop:
        yield loop


def thread_of(loop: asyncio.AbstractEventLoop) -> int:
    found: list[int] = []
    on(loop, lambda: found.append(threading.get_ident()))
    return found[0]


def started(loop: asyncio.AbstractEventLoop, kafka: object, **options: int) -> Looped:
    log = Looped(loop, kafka, **options)
    on(loop, lambda: log.start(loop))
    return log


def put(log: Looped, *numbers: int) -> None:
    for number in numbers:
        log.put(entry(number))


def units(count: int) -> list[str]:
    return [f"u{number}" for number in range(count)]


def counts(log: Looped) -> tuple[int, int, int, int]:
    found = log.counts()
    assert found["answers"] == found["logged"] + found["queued"] + found["dropped"]
    return found["answers"], found["logged"], found["queued"], found["dropped"]


def test_they_are_handed_over_on_the_loop_s_thread_in_their_order(loop: asyncio.AbstractEventLoop) -> None:
    kafka = Kafka()
    log = started(loop, kafka)
    put(log, *range(500))
    until(lambda: counts(log) == (500, 500, 0, 0))
    log.close(10)
    assert kafka.sent == units(500)
    assert set(kafka.threads.values()) == {thread_of(loop)}


def test_an_answer_does_not_wait_for_its_own_decision_to_be_handed_over(loop: asyncio.AbstractEventLoop) -> None:
    kafka = Kafka()
    log = started(loop, kafka)
    offered: list[int] = []

    def answer() -> None:
        super(Looped, log).put(entry(0))
        offered.append(len(kafka.offered))

    on(loop, answer)
    until(lambda: counts(log) == (1, 1, 0, 0))
    log.close(10)
    assert offered == [0]


def test_what_is_refused_for_now_is_sent_by_the_thread_each_once_and_in_order(loop: asyncio.AbstractEventLoop) -> None:
    """As the first ones are, whose schema is not registered yet."""
    kafka = Kafka()
    kafka.refuses = lambda: not kafka.sent
    log = started(loop, kafka)
    put(log, *range(100))
    until(lambda: counts(log) == (100, 100, 0, 0))
    put(log, *range(100, 200))
    until(lambda: counts(log) == (200, 200, 0, 0))
    log.close(10)
    assert kafka.sent == units(200)
    assert kafka.threads["u0"] != thread_of(loop)


def test_a_sender_that_refuses_every_now_and_then_gets_all_of_them_once_and_in_order(
    loop: asyncio.AbstractEventLoop,
) -> None:
    kafka = Kafka()
    chance = random.Random(7)
    kafka.refuses = lambda: chance.random() < 0.05
    log = started(loop, kafka)
    put(log, *range(3_000))
    until(lambda: counts(log) == (3_000, 3_000, 0, 0))
    log.close(10)
    assert kafka.sent == units(3_000)
    assert thread_of(loop) in kafka.threads.values()


class Registering(Kafka):
    """Whose first `send` takes its time, while which what is offered would be taken."""

    def __init__(self) -> None:
        super().__init__()
        self.entered, self.go = threading.Event(), threading.Event()
        self.refuses = lambda: not self.entered.is_set()

    def send(self, event_type: EventType, value: Mapping[str, Any], on_delivery: OnDelivery | None = None) -> None:
        if not self.entered.is_set():
            self.entered.set()
            assert self.go.wait(60)
        super().send(event_type, value, on_delivery)


def test_none_overtakes_the_one_that_the_thread_is_sending(loop: asyncio.AbstractEventLoop) -> None:
    kafka = Registering()
    log = started(loop, kafka)
    put(log, 0)
    assert kafka.entered.wait(60)
    put(log, *range(1, 100))
    looked = threading.Event()
    loop.call_soon_threadsafe(loop.call_later, 0.2, looked.set)  # behind the turn in which they would be handed over
    assert looked.wait(60)
    assert kafka.sent == []
    kafka.go.set()
    until(lambda: counts(log) == (100, 100, 0, 0))
    log.close(10)
    assert kafka.sent == units(100)


class HoldingUp(Kafka):
    """Whose first `offer` takes its time."""

    def __init__(self) -> None:
        super().__init__()
        self.entered, self.go = threading.Event(), threading.Event()

    def offer(self, event_type: EventType, body: bytes, key: bytes, on_delivery: OnDelivery) -> bool:
        self.entered.set()
        assert self.go.wait(60)
        return super().offer(event_type, body, key, on_delivery)


def test_none_overtakes_the_one_that_the_loop_is_handing_over_not_even_at_the_end(
    loop: asyncio.AbstractEventLoop,
) -> None:
    kafka = HoldingUp()
    log = started(loop, kafka)
    on(loop, lambda: [super(Looped, log).put(entry(number)) for number in range(10)])
    assert kafka.entered.wait(60)
    closing = threading.Thread(target=log.close, args=(60,))
    closing.start()
    closing.join(0.2)  # in which the thread would send them
    assert kafka.sent == []
    kafka.go.set()
    closing.join(60)
    assert counts(log) == (10, 10, 0, 0)
    assert kafka.sent == units(10)


def test_an_error_about_a_decision_itself_is_counted_and_the_others_go_on(
    loop: asyncio.AbstractEventLoop, caplog: pytest.LogCaptureFixture
) -> None:
    kafka = Kafka()
    kafka.failure = MillraceError("too large")
    log = started(loop, kafka)
    put(log, *range(10))
    until(lambda: counts(log) == (10, 9, 0, 1))
    log.close(10)
    assert kafka.sent == units(10)[1:]
    assert "1 decisions were not logged so far; the last because: too large" in caplog.text


def test_an_error_that_passes_loses_none_and_changes_no_order(
    loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backlog, "PAUSE", 0.01)
    kafka = Kafka()
    kafka.failure = RegistryUnavailable("away")
    log = started(loop, kafka)
    put(log, *range(100))
    until(lambda: counts(log) == (100, 100, 0, 0))
    log.close(10)
    assert kafka.sent == units(100)


def test_what_cannot_be_written_as_a_decision_is_counted_and_the_others_go_on(loop: asyncio.AbstractEventLoop) -> None:
    kafka = Kafka()
    log = started(loop, kafka)
    log.put(entry()._replace(unit="\ud800"))
    put(log, 1)
    until(lambda: counts(log) == (2, 1, 0, 1))
    log.close(10)


def test_an_end_while_decisions_gather_loses_none_though_the_loop_runs_no_more() -> None:
    kafka = Kafka()
    log: Looped
    with looping() as loop:
        log = started(loop, kafka)
        put(log, *range(50))
    log.close(60)
    assert counts(log) == (50, 50, 0, 0)
    assert kafka.sent == units(50)


def test_an_end_on_the_loop_itself_loses_none_either(loop: asyncio.AbstractEventLoop) -> None:
    kafka = Kafka()
    log = started(loop, kafka)

    def answer_and_end() -> None:
        for number in range(50):
            super(Looped, log).put(entry(number))
        log.close(60)

    on(loop, answer_and_end)
    assert counts(log) == (50, 50, 0, 0)
    assert kafka.sent == units(50)


def test_more_than_are_sent_in_one_turn_leave_the_loop_free_between(loop: asyncio.AbstractEventLoop) -> None:
    kafka = Kafka()
    log = started(loop, kafka)
    turns: list[int] = []

    def look() -> None:
        turns.append(len(kafka.sent))
        if len(kafka.sent) < 1_000:
            loop.call_soon(look)

    def answer() -> None:
        for number in range(1_000):
            super(Looped, log).put(entry(number))
        look()

    on(loop, answer)
    until(lambda: counts(log) == (1_000, 1_000, 0, 0))
    log.close(10)
    assert max(after - before for before, after in pairwise(turns)) <= 64


def test_when_memory_is_full_while_the_sender_refuses_all_the_rest_is_counted(loop: asyncio.AbstractEventLoop) -> None:
    kafka = Registering()
    log = started(loop, kafka, limit=20)
    put(log, 0)
    assert kafka.entered.wait(60)
    put(log, *range(1, 100))
    assert log.counts()["dropped"] >= 79
    kafka.go.set()
    until(lambda: not log.counts()["queued"])
    log.close(10)
    assert log.counts()["logged"] + log.counts()["dropped"] == 100
    assert kafka.sent == units(log.counts()["logged"])
