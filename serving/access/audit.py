"""Every change by HTTP or console becomes an event in the topic `audit`, and a line in the log before that.

The change never waits for Kafka, and none is refused for want of it: events wait in a queue that holds `LIMIT`, and
what does not fit, or is not acknowledged, is in the log alone, which says so.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple

from schemas.audit import Audit
from schemas.errors import RegistryUnavailable
from serving.sender import Sender

LOGGER = logging.getLogger("millrace.audit")
LIMIT = 10_000
"""Changes that wait for Kafka at most."""
PAUSE = 0.5
"""Seconds until a change is tried again whose schema could not be registered."""
LONGEST = 500
"""Characters of an action and of a target that are kept."""
_SECRETS = ("csrf-token", "key", "password", "secret", "token", "do")
"""Fields of forms that are not told."""


class Change(NamedTuple):
    """What somebody did, or was refused. `who` is a key's name, or "loopback" where none is asked for."""

    at: datetime
    who: str
    key: str | None
    action: str
    target: str
    status: int

    @property
    def outcome(self) -> str:
        """In a word."""
        return "done" if self.status < 400 else "refused" if self.status < 500 else "failed"


class AuditLog:
    """Takes changes without ever waiting, and hands them to a sender on a thread of its own.

    Args:
        sender: None = changes are logged alone.
    """

    def __init__(self, sender: Sender | None = None) -> None:
        self._sender = sender
        self._waiting: queue.Queue[Change | None] = queue.Queue(LIMIT)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="millrace-audit", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        if self._sender is not None:
            self._thread.start()

    def put(self, who: str, key: bytes, action: str, target: str, status: int) -> None:
        """Take a change. Never blocks."""
        told = action[:LONGEST], target[:LONGEST]
        change = Change(datetime.now(UTC), who, key.decode() or None, *told, status)
        LOGGER.info("%s: %s %s: %s (%d)", who, *map(_printable, told), change.outcome, status)
        if self._sender is not None:
            try:
                self._waiting.put_nowait(change)
            except queue.Full:
                LOGGER.error("Kafka has not this change: %d others wait for it.", LIMIT)

    def close(self, timeout: float) -> None:
        """Send what waits. Blocks up to `timeout` seconds; what is left by then is in the log alone."""
        if not self._thread.is_alive():
            return
        self._closing.set()
        end = time.monotonic() + timeout
        with suppress(queue.Full):
            self._waiting.put(None, timeout=timeout)
        self._thread.join(max(0.0, end - time.monotonic()))

    def _run(self) -> None:
        while (change := self._waiting.get()) is not None:
            while not self._sent(change) and not self._closing.wait(PAUSE):
                pass

    def _sent(self, change: Change) -> bool:
        """Hand one over; False if it must be tried again later."""
        assert self._sender is not None
        try:
            self._sender.send(Audit.event_type, _values(change), partial(_delivered, change))
        except RegistryUnavailable:
            return False
        except Exception as error:
            _delivered(change, error)
        return True


def described(method: str, path: str, query: bytes, form: Mapping[str, str]) -> tuple[str, str]:
    """Action and target of a request that changes something: what its form does and to what, or method and address."""
    told = [f"{name}={value}" for name, value in form.items() if value and name.lower() not in _SECRETS]
    if form:
        return form.get("do", method), " ".join([path, *told])
    return method, path + (f"?{query.decode('latin-1')}" if query else "")


def _values(change: Change) -> dict[str, Any]:
    return {**change._asdict(), "outcome": change.outcome}


def _delivered(change: Change, error: Exception | None, partition: int = -1, offset: int = -1) -> None:
    if error is not None:
        LOGGER.error("Kafka has not the change by %s of %s: %s", change.who, change.at.isoformat(), error)


def _printable(text: str) -> str:
    """As a log may have it: in one line."""
    return text if text.isprintable() else text.encode("unicode_escape").decode()
