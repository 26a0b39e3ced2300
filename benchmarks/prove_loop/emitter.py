"""Emits the data set's events in the background and keeps a file of all that was sent: the control's only source."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

from schemas import Event
from streams import Producer


class Journal:
    """An NDJSON file of the events sent, in the order they were sent; safe to write from several threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.events = 0
        self._file: TextIO = path.open("w", encoding="utf-8")
        self._lock = threading.Lock()

    def write(self, topic: str, event: Mapping[str, Any]) -> None:
        """Add one event. Blocks only for the write."""
        line = json.dumps({"topic": topic, **event}, default=_text)
        with self._lock:
            self._file.write(line + "\n")
            self.events += 1

    def close(self) -> None:
        """Write out what is left."""
        self._file.close()


class Emitter(threading.Thread):
    """Emits events at `rate` per second (None: as fast as it can) until they end or it is told to stop."""

    def __init__(self, events: Iterable[Event], producer: Producer, journal: Journal, rate: float | None) -> None:
        super().__init__(name="emitter", daemon=True)
        self._events, self._producer, self._journal, self._rate = events, producer, journal, rate
        self._stop_asked = threading.Event()
        self.error: Exception | None = None
        self.sent = 0

    def run(self) -> None:
        """Thread body; an error is kept for `finish`."""
        try:
            start = time.monotonic()
            for event in self._events:
                if self._stop_asked.is_set():
                    break
                self._journal.write(event.event_type.topic, event.to_dict())
                self._producer.emit(event)
                self.sent += 1
                if self._rate is not None:
                    wait = start + self.sent / self._rate - time.monotonic()
                    if wait > 0.001:
                        time.sleep(wait)
            self._producer.flush()
        except Exception as error:
            self.error = error

    def finish(self, now: bool = False) -> int:
        """Wait for the end (`now`: ask it to stop first) and return the number of events sent."""
        if now:
            self._stop_asked.set()
        self.join()
        if self.error is not None:
            raise self.error
        return self.sent


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{value!r} is no JSON")
