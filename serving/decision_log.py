"""Every answer becomes an event: queued while it is given, sent by a thread, counted when Kafka has it."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from schemas import Decision, DecisionId, EventType
from schemas.errors import RegistryUnavailable

LOGGER = logging.getLogger("millrace.decisions")
LIMIT = 10_000
"""Decisions that are on their way at most; further ones are dropped, and counted."""
GATHERING = 0.01
"""Seconds for which the thread lets decisions gather, so that it does not wake for each."""
PAUSE = 0.5
"""Seconds after which a decision is tried again whose schema could not be registered."""

OnDelivery = Callable[[Exception | None, int, int], None]
LONGEST_BODY = 200_000
"""Bytes of a request and of an answer that are logged."""
LONGEST_UNIT = 10_000
"""Characters of a unit that are logged."""


class Sender(Protocol):
    """Sends events to Kafka (streams.Producer): may block when its own queue is full."""

    def send(self, event_type: EventType, value: Mapping[str, Any], on_delivery: OnDelivery | None = None) -> None: ...


class Entry(NamedTuple):
    """One answer, as the hot path knows it; request and answer are the bytes that travelled."""

    id: DecisionId
    endpoint: str
    implementation: str
    hash: str
    unit: str
    propensity: float
    request: bytes
    answer: bytes
    as_of: datetime | None
    latency_ms: float


class DecisionLog:
    """Takes entries without ever waiting, and hands them to a sender on a thread of its own.

    At any moment answers = logged + queued + dropped. A decision is dropped when `limit` others are on their way, as
    happens when Kafka is away for long, or when Kafka refuses it.
    """

    def __init__(self, sender: Sender, limit: int = LIMIT) -> None:
        self._sender, self._limit = sender, limit
        self._entries: deque[Entry] = deque()
        self._wake, self._closing = threading.Event(), threading.Event()
        self._settled = threading.Condition()
        self._answers = self._overflowed = self._logged = self._failed = 0
        self._held = False
        self._thread = threading.Thread(target=self._run, name="millrace-decisions", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def put(self, entry: Entry) -> None:
        """Take one answer. For one thread, that of the event loop; never blocks."""
        self._answers += 1
        if self._answers - self._overflowed - self._logged - self._failed > self._limit:
            self._overflowed += 1
            return
        self._entries.append(entry)
        if not self._wake.is_set():
            self._wake.set()

    def counts(self) -> dict[str, int]:
        """Answers given, and what became of their decisions: logged, queued (on their way) or dropped."""
        with self._settled:
            logged, dropped = self._logged, self._overflowed + self._failed
            answers = self._answers
        return {"answers": answers, "logged": logged, "queued": answers - logged - dropped, "dropped": dropped}

    def close(self, timeout: float) -> None:
        """Send what is queued and wait until Kafka has it. Blocks up to `timeout` seconds; what is left is logged."""
        self._closing.set()
        self._wake.set()
        with self._settled:
            self._settled.wait_for(lambda: not self._on_their_way, timeout)
            left = self._on_their_way
        if left:
            LOGGER.error("%d decisions were not acknowledged before the service stopped; they may be lost.", left)

    @property
    def _on_their_way(self) -> int:
        return self._answers - self._overflowed - self._logged - self._failed

    def _run(self) -> None:
        while True:
            if not self._entries:
                if self._closing.is_set():
                    return
                self._wake.clear()
                if not self._entries and not self._closing.is_set():
                    self._wake.wait()
                self._closing.wait(GATHERING)
                continue
            if self._sent(self._entries[0]):
                self._entries.popleft()
            elif self._closing.is_set():
                return
            else:
                self._closing.wait(PAUSE)

    def _sent(self, entry: Entry) -> bool:
        """Hand one over; False if it must be tried again later."""
        try:
            self._sender.send(Decision.event_type, _values(entry), self._on_delivery)
        except RegistryUnavailable as error:
            if not self._held:
                LOGGER.warning("Decisions wait until their schema can be registered: %s", error)
            self._held = True
            return False
        except Exception as error:
            self._on_delivery(error, -1, -1)
        self._held = False
        return True

    def _on_delivery(self, error: Exception | None, partition: int, offset: int) -> None:
        with self._settled:
            self._logged += error is None
            self._failed += error is not None
            failed = self._failed
            self._settled.notify_all()
        if error is not None and failed % 1000 == 1:
            LOGGER.error("%d decisions were not logged so far; the last because: %s", failed, error)


def _text(body: bytes) -> str:
    """A body as text; a very long one is cut, so that its decision is counted nevertheless: Kafka takes 1 MB."""
    text = body[:LONGEST_BODY].decode("utf-8", "replace")
    return text if len(body) <= LONGEST_BODY else f"{text}… cut after {LONGEST_BODY:,} of {len(body):,} bytes"


def _values(entry: Entry) -> dict[str, Any]:
    return {
        "id": entry.id.text,
        "endpoint": entry.endpoint,
        "implementation": entry.implementation,
        "hash": entry.hash,
        "experiment": entry.id.experiment,
        "variant": entry.id.variant,
        "unit": entry.unit[:LONGEST_UNIT],
        "propensity": entry.propensity,
        "request": _text(entry.request),
        "answer": _text(entry.answer),
        "as_of": entry.as_of,
        "latency_ms": entry.latency_ms,
        "at": entry.id.at,
    }
