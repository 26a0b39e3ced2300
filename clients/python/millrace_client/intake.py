"""Events through a models service: gathered, posted as lines of JSON, and again until they are acknowledged."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import httpx
import msgspec

from schemas.event import Event, topic_of
from serving.api_key import authorization
from streams.errors import DeliveryFailed

LOGGER = logging.getLogger("millrace.client")
LINES, BYTES = 500, 512 * 1024
"""Events and bytes of one post at most."""
WAITING = 100_000
"""Events that may wait; then emitting waits for room."""
PATIENCE = 30.0
"""Seconds for which a post is tried again before its events have failed."""
PAUSE = 0.2
"""Seconds between two tries."""
LARGEST_EVENT = 1_000_000
"""Bytes of an event's JSON: a little less than the intake takes."""

OnDelivery = Callable[[Exception | None, int, int], None]


class _Line(NamedTuple):
    topic: str
    event: bytes
    on_delivery: OnDelivery | None


class IntakeProducer:
    """Posts events on a thread of its own, topic by topic in the order in which they were emitted.

    A post that was not acknowledged is sent again under the same key, by which the service knows it again; so each
    event is taken once, unless the service was restarted between two tries.
    """

    def __init__(self, service: str, key: str | None = None) -> None:
        self._http = httpx.Client(base_url=service.rstrip("/"), timeout=15.0, headers=authorization(key))
        self._waiting: deque[_Line] = deque()
        self._changed = threading.Condition()
        self._under_way, self._failed, self._closed = 0, 0, False
        self._first: str | None = None
        self._thread = threading.Thread(target=self._run, name="millrace-intake", daemon=True)
        self._thread.start()

    def emit(self, event: Event, on_delivery: OnDelivery | None = None) -> None:
        """See `Producer.emit`."""
        line = _Line(topic_of(type(event)), msgspec.json.encode(_plain(event.to_dict())), on_delivery)
        if (size := len(line.event)) > LARGEST_EVENT:
            raise DeliveryFailed(f"An event for {line.topic} has {size:,} bytes; {LARGEST_EVENT:,} are taken.")
        with self._changed:
            self._changed.wait_for(lambda: len(self._waiting) < WAITING or self._closed)
            if self._closed:
                raise DeliveryFailed(f"The producer is closed; an event for {line.topic} was not sent.")
            self._waiting.append(line)
            self._changed.notify_all()

    def flush(self, timeout: float = 30.0) -> None:
        """See `Producer.flush`."""
        with self._changed:
            complete = self._changed.wait_for(lambda: not self._waiting and not self._under_way, timeout)
            failed, first = self._failed, self._first
            left = len(self._waiting) + self._under_way
            self._failed, self._first = 0, None
        if first is not None:
            raise DeliveryFailed(
                f"{failed} event{'s were' if failed != 1 else ' was'} not taken; the first: {first}", failed
            )
        if not complete:
            raise DeliveryFailed(f"{left} events are not acknowledged within {timeout:g} s; they may yet arrive.", left)

    def close(self) -> None:
        """See `Producer.close`."""
        try:
            if not self._closed:
                self.flush()
        finally:
            with self._changed:
                self._closed = True
                self._changed.notify_all()
            self._thread.join(1.0)
            self._http.close()

    def _run(self) -> None:
        while (taken := self._take()) is not None:
            topic, lines = taken
            try:
                self._deliver(topic, lines)
            except Exception as error:  # whatever it is, the next events must still be sent
                self._fail(lines, f"{type(error).__name__}: {error}")
            with self._changed:
                self._under_way = 0
                self._changed.notify_all()

    def _take(self) -> tuple[str, list[_Line]] | None:
        """The next events of one topic; waits for them. None = there will be none."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            if self._closed:
                return None
            topic, lines, size = self._waiting[0].topic, list[_Line](), 0
            while self._waiting and self._waiting[0].topic == topic and len(lines) < LINES:
                size += len(self._waiting[0].event)
                if lines and size > BYTES:
                    break
                lines.append(self._waiting.popleft())
            self._under_way = len(lines)
            self._changed.notify_all()
            return topic, lines

    def _deliver(self, topic: str, lines: list[_Line]) -> None:
        """Post until it is acknowledged or refused. Wrong lines fail, and the others are posted without them."""
        key, until = uuid4().hex, time.monotonic() + PATIENCE
        while lines:
            status, problem = self._post(topic, lines, key)
            if status == 202:
                _report(lines, problem.get("positions", ()))
                return
            wrong = {item["line"] for item in problem.get("errors", ()) if "line" in item} if status == 400 else set()
            if wrong:
                self._fail([line for place, line in enumerate(lines, 1) if place in wrong], _why(problem))
                lines, key = [line for place, line in enumerate(lines, 1) if place not in wrong], uuid4().hex
            elif (400 <= status < 500 and status != 429) or time.monotonic() + PAUSE > until or self._closed:
                self._fail(lines, _why(problem) or f"the service answered {status}")
                return
            else:
                time.sleep(PAUSE)

    def _post(self, topic: str, lines: list[_Line], key: str) -> tuple[int, dict[str, Any]]:
        """Status and document of one try; 0 where nobody answered."""
        headers = {"content-type": "application/x-ndjson", "idempotency-key": key}
        try:
            body = b"\n".join(line.event for line in lines)
            answer = self._http.post(f"/events/{topic}", content=body, headers=headers)
            found = answer.json()
        except httpx.HTTPError as error:
            return 0, {"detail": f"{self._http.base_url} did not answer: {type(error).__name__} {error}".strip()}
        except ValueError:
            return answer.status_code, {}
        return answer.status_code, found if isinstance(found, dict) else {}

    def _fail(self, lines: list[_Line], why: str) -> None:
        LOGGER.error("%d events were not taken: %s", len(lines), why)
        untold = [line for line in lines if line.on_delivery is None]
        with self._changed:
            self._failed += len(untold)
            self._first = self._first or (why if untold else None)
        for line in lines:
            _tell(line, DeliveryFailed(f"An event for {line.topic} was not taken: {why}"), -1, -1)


def _report(lines: list[_Line], positions: Sequence[dict[str, int]]) -> None:
    """Tell where the events are; they are nowhere yet where the service has them on its disk."""
    for line, at in zip_longest(lines, positions, fillvalue=None):
        if line is not None:
            _tell(line, None, *((-1, -1) if at is None else (at["partition"], at["offset"])))


def _tell(line: _Line, error: Exception | None, partition: int, offset: int) -> None:
    if line.on_delivery is None:
        return
    try:
        line.on_delivery(error, partition, offset)
    except Exception:  # somebody else's: the next events must still be sent
        LOGGER.exception("What was to hear of a delivery has failed.")


def _why(problem: dict[str, Any]) -> str:
    return str(problem.get("detail", ""))


def _plain(value: Any) -> Any:
    """Values as the intake takes them: bytes are a text of as many characters, as in an Avro schema's defaults."""
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, UUID) else value
