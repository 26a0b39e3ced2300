"""A technology as a worker under attack sees it: it tells what a fence has refused, and may end its own process.

A step is what the interpreter can tell apart from outside, whatever the technology: a function of `storage` that is
entered or left for the first time in this call, or anything that talks to a server or a file. So the moments before a
request, after it and before its reply, and between two requests of one commit are all steps, and the technology's own
code knows nothing of it.
"""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import FrameType
from typing import Any

from storage import Claim, Fenced, Gap, Outcome, Technology, UnitId

TALKING = {
    "commit",
    "execute",
    "execute_async",
    "executemany",
    "perform_request",
    "read_response",
    "recv",
    "recv_into",
    "result",
    "rollback",
    "select",
    "send",
    "send_command",
    "send_packed_command",
    "sendall",
    "sendmsg",
    "wait",
}
"""Names of functions, in C or Python, by which a driver speaks and listens."""
FIRST = 3
"""The call that is ended is the third for its learner, or a later one: the first ones show how many steps there are."""

Tell = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True)
class Step:
    """Where a process ends.

    Attributes:
        call: in which of a technology's methods: "commit", "claim" or "read".
        place: how far into it, from 0 to 1.
        fate: "kill" or "freeze".
    """

    call: str
    place: float
    fate: str


class Watched:
    """Wraps a technology, and passes everything on.

    Args:
        tell: is given a line for the worker's trace, which is written at once.
    """

    def __init__(self, technology: Technology, tell: Tell, step: Step | None = None) -> None:
        self._technology, self._tell, self._step = technology, tell, step
        self._calls: Counter[str] = Counter()
        self._most: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._technology, name)
        if name in ("commit", "read"):
            found = self._telling(found)
        return self._stepping(found) if self._step is not None and name == self._step.call else found

    def _telling(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            try:
                found = method(*arguments)
            except (Fenced, Gap) as error:
                self._tell({"refused": type(error).__name__.upper()})
                raise
            if found in (Outcome.FENCED, Outcome.GAP):
                self._tell({"refused": found.name})
            return found

        return call

    def _stepping(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(of: UnitId | Claim, *arguments: Any) -> Any:
            learner = of.unit.learner if isinstance(of, Claim) else of.learner
            self._calls[learner] += 1
            ready = self._step is not None and self._calls[learner] >= FIRST
            last = int(self._step.place * self._most[learner]) if ready and self._step is not None else None
            steps = _Count(last, self._end)
            sys.setprofile(steps)
            try:
                return method(of, *arguments)
            finally:
                sys.setprofile(None)
                self._most[learner] = max(self._most[learner], steps.count)

        return call

    def _end(self, name: str) -> None:
        sys.setprofile(None)
        if self._step is None:  # it has been frozen before
            return
        step, self._step = self._step, None
        self._tell({"step": f"{step.call}: {name}"})
        os.kill(os.getpid(), signal.SIGKILL if step.fate == "kill" else signal.SIGSTOP)


class _Count:
    """Counts the steps of one call in one thread, and ends it at the last."""

    def __init__(self, last: int | None, end: Callable[[str], None]) -> None:
        self.count = 0
        self._last, self._end = last, end
        self._seen: set[tuple[str, str]] = set()

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        name = argument.__name__ if event.startswith("c_") else frame.f_code.co_name
        if name in TALKING or self._is_new(frame, event, name):
            self.count += 1
            if self.count - 1 == self._last:
                self._end(f"{'before' if event in ('call', 'c_call') else 'after'} {name}")

    def _is_new(self, frame: FrameType, event: str, name: str) -> bool:
        if event.startswith("c_") or not str(frame.f_globals.get("__name__")).startswith("storage."):
            return False
        place = event, f"{frame.f_code.co_filename}:{name}"
        new = place not in self._seen
        self._seen.add(place)
        return new
