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

    The call that is ended is not the first for its learner: that one shows how many steps there are.

    Args:
        tell: is given a line for the worker's trace, which is written at once.
        steps: where the process is to end: one step or none. Taken out by whichever technology comes to it.
    """

    def __init__(self, technology: Technology, tell: Tell, steps: list[Step]) -> None:
        self._technology, self._tell, self._steps = technology, tell, steps
        self._most: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._technology, name)
        if name in ("commit", "read"):
            found = self._telling(found)
        return self._stepping(found) if any(name == step.call for step in self._steps) else found

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
            ready = self._most[learner] > 0  # several threads commit: the second call may begin before the first ends
            last = next((int(step.place * self._most[learner]) for step in self._steps if ready), None)
            steps = Count(last, self._end)
            sys.setprofile(steps)
            try:
                return method(of, *arguments)
            finally:
                sys.setprofile(None)
                self._most[learner] = max(self._most[learner], steps.count)

        return call

    def _end(self, name: str) -> None:
        sys.setprofile(None)
        if not self._steps:  # it has been frozen before
            return
        step = self._steps.pop()
        self._tell({"step": f"{step.call}: {name}"})
        os.kill(os.getpid(), signal.SIGKILL if step.fate == "kill" else signal.SIGSTOP)


class Count:
    """Counts the steps of one call in one thread, and calls `end` at the one with the number `last`.

    To be given to `sys.setprofile` before the call.
    """

    def __init__(self, last: int | None, end: Callable[[str], None]) -> None:
        self.count = 0
        self._last, self._end = last, end
        self._seen: set[tuple[str, str]] = set()

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        name = argument.__name__ if event.startswith("c_") else frame.f_code.co_name
        if name in TALKING or self._is_new(frame, event, name):
            self.count += 1
            if self.count - 1 == self._last:
                full = argument.__qualname__ if event.startswith("c_") else frame.f_code.co_qualname
                self._end(f"{'before' if event in ('call', 'c_call') else 'after'} {full}")

    def _is_new(self, frame: FrameType, event: str, name: str) -> bool:
        ours = str(frame.f_globals.get("__name__")).startswith("storage.")
        if event.startswith("c_") or not ours or name.startswith(("<", "__")):
            return False
        place = event, f"{frame.f_code.co_filename}:{name}"
        new = place not in self._seen
        self._seen.add(place)
        return new
