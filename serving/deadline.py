"""The time that an answer has, at a quarter of what `asyncio.timeout` costs: one timer for all that have the same.

Those that begin later end later, so a queue knows who is next, and only the first needs a timer. What is finished in
time, nearly all, is dropped from the queue's front without the event loop hearing of it.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque


class Deadline:
    """One task's time.

    Attributes:
        when: it ends, by the event loop's clock.
        passed: whether it did, before what it is for had ended.
    """

    __slots__ = ("_cancelling", "_task", "passed", "when")

    def __init__(self, task: asyncio.Task[object], when: float) -> None:
        self._task: asyncio.Task[object] | None = task
        self._cancelling = task.cancelling()
        self.when, self.passed = when, False

    @property
    def is_over(self) -> bool:
        """Whether nobody waits for it any more."""
        return self._task is None

    def end(self) -> bool:
        """What it is for has ended. Whether a CancelledError, if that is how, is the deadline's own: it is nobody
        else's, who wants the task to stop."""
        task, self._task = self._task, None
        return self.passed and task is not None and task.uncancel() <= self._cancelling

    def pass_(self) -> None:
        """The time is up: what the task waits for is cancelled."""
        if self._task is not None:
            self.passed = True
            self._task.cancel()


class _Line:
    """All that have the same number of milliseconds, oldest first."""

    __slots__ = ("_key", "_loop", "_seconds", "_timer", "waiting")

    def __init__(self, key: _Key) -> None:
        self._key, (self._loop, milliseconds) = key, key
        self._seconds = milliseconds / 1000
        self._timer: asyncio.TimerHandle | None = None
        self.waiting: deque[Deadline] = deque()

    def begin(self) -> Deadline:
        waiting = self.waiting
        while waiting and waiting[0].is_over:
            waiting.popleft()
        task = asyncio.current_task(self._loop)
        assert task is not None
        made = Deadline(task, self._loop.time() + self._seconds)
        waiting.append(made)
        if self._timer is None:
            self._timer = self._loop.call_at(made.when, self._look)
        return made

    def _look(self) -> None:
        now = self._loop.time()
        while self.waiting and (self.waiting[0].is_over or self.waiting[0].when <= now):
            self.waiting.popleft().pass_()
        if self.waiting:
            self._timer = self._loop.call_at(self.waiting[0].when, self._look)
        else:
            del _LINES[self._key]


_Key = tuple[asyncio.AbstractEventLoop, int]
_LINES: dict[_Key, _Line] = {}


def deadline(seconds: float) -> Deadline:
    """The running task's from now on, to the millisecond: what it waits for is cancelled then."""
    key = asyncio.get_running_loop(), math.ceil(seconds * 1000)
    line = _LINES.get(key)
    if line is None:
        for gone in [known for known in _LINES if known[0].is_closed()]:
            del _LINES[gone]
        line = _LINES[key] = _Line(key)
    return line.begin()
