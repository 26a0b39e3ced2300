"""Events through a models service: gathered, posted as lines of JSON, and again until they are acknowledged."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from typing import Any
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

_Line = tuple[str, bytes]


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

    def emit(self, event: Event) -> None:
        """See `Producer.emit`."""
        line = topic_of(type(event)), msgspec.json.encode(_plain(event.to_dict()))
        if len(line[1]) > LARGEST_EVENT:
            raise DeliveryFailed(f"An event for {line[0]} has {len(line[1]):,} bytes; {LARGEST_EVENT:,} are taken.")
        with self._changed:
            self._changed.wait_for(lambda: len(self._waiting) < WAITING or self._closed)
            if self._closed:
                raise DeliveryFailed(f"The producer is closed; an event for {line[0]} was not sent.")
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
                self._fail(len(lines), f"{type(error).__name__}: {error}")
            with self._changed:
                self._under_way = 0
                self._changed.notify_all()

    def _take(self) -> tuple[str, list[bytes]] | None:
        """The next events of one topic; waits for them. None = there will be none."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            if self._closed:
                return None
            topic, lines, size = self._waiting[0][0], list[bytes](), 0
            while self._waiting and self._waiting[0][0] == topic and len(lines) < LINES:
                size += len(self._waiting[0][1])
                if lines and size > BYTES:
                    break
                lines.append(self._waiting.popleft()[1])
            self._under_way = len(lines)
            self._changed.notify_all()
            return topic, lines

    def _deliver(self, topic: str, lines: list[bytes]) -> None:
        """Post until it is acknowledged or refused. Wrong lines fail, and the others are posted without them."""
        key, until = uuid4().hex, time.monotonic() + PATIENCE
        while lines:
            status, problem = self._post(topic, lines, key)
            if status == 202:
                return
            wrong = {item["line"] for item in problem.get("errors", ()) if "line" in item} if status == 400 else set()
            if wrong:
                self._fail(len(wrong), _why(problem))
                lines, key = [line for place, line in enumerate(lines, 1) if place not in wrong], uuid4().hex
            elif (400 <= status < 500 and status != 429) or time.monotonic() + PAUSE > until or self._closed:
                self._fail(len(lines), _why(problem) or f"the service answered {status}")
                return
            else:
                time.sleep(PAUSE)

    def _post(self, topic: str, lines: list[bytes], key: str) -> tuple[int, dict[str, Any]]:
        """Status and problem document of one try; 0 where nobody answered."""
        headers = {"content-type": "application/x-ndjson", "idempotency-key": key}
        try:
            answer = self._http.post(f"/events/{topic}", content=b"\n".join(lines), headers=headers)
            found = {} if answer.status_code == 202 else answer.json()
        except httpx.HTTPError as error:
            return 0, {"detail": f"{self._http.base_url} did not answer: {type(error).__name__} {error}".strip()}
        except ValueError:
            return answer.status_code, {}
        return answer.status_code, found if isinstance(found, dict) else {}

    def _fail(self, count: int, why: str) -> None:
        LOGGER.error("%d events were not taken: %s", count, why)
        with self._changed:
            self._failed += count
            self._first = self._first or why


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
