"""How a process that learns is told to end: by a signal, after which it finishes what it has begun."""

from __future__ import annotations

import _thread
import signal
import threading


def told_to_stop(within: int = 0) -> threading.Event:
    """Set by SIGTERM and SIGINT; the same signal once more ends the process at once. For the main thread.

    Args:
        within: seconds after which the process ends in any case, whatever it waits for; 0 = it may take its time.
    """
    stop = threading.Event()

    def told(number: int, _: object) -> None:
        # Not here: what the signal has interrupted may be this thread's own wait for `stop`, which holds its lock.
        _thread.start_new_thread(stop.set, ())
        signal.signal(number, signal.SIG_DFL)
        signal.alarm(within)  # what it does by default is to end the process

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, told)
    return stop
