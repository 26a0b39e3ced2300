"""How a process that learns is told to end: by a signal, after which it finishes what it has begun."""

from __future__ import annotations

import signal
import threading


def told_to_stop() -> threading.Event:
    """Set by SIGTERM and SIGINT, which from now on do nothing else. For the main thread."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop
