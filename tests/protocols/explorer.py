"""Explores every state that a protocol can reach, breadth first: the first wrong one has the shortest history.

A model is a small value (a named tuple of named tuples) and the steps that may follow it. Whatever may happen at any
moment is a step: a crash, a request that arrives late, a reply that is lost, a server that forgets. What nobody
takes a step for does not happen: a paused process is one whose steps come late, so zombies need no words.

`holds` says that no reachable state is wrong. `fails` says that one is: each rule of a protocol is left out once, to
see that the check would notice.
"""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Hashable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, TypeVar

S = TypeVar("S", bound=Hashable)

MOST = 400_000
"""So many states, and the model is too large to be run with the other tests: make it smaller."""


class Model(Protocol[S]):
    """A protocol, or one with a mistake in it."""

    @property
    def start(self) -> S:
        """Where everything begins."""

    def steps(self, state: S) -> Iterable[tuple[str, S]]:
        """Everything that may happen next, in words, and what it leads to."""

    def wrong(self, state: S) -> str | None:
        """What is wrong with a state; None where nothing is."""

    def done(self, state: S) -> bool:
        """Whether all work is done: a model that never gets there proves nothing."""


@dataclass(frozen=True)
class Exploration:
    """What was found.

    Attributes:
        states: how many were looked at.
        done: whether one of them had all work done.
        problem: what is wrong with the last state of `history`; None = nothing is wrong with any.
    """

    states: int
    done: bool
    problem: str | None = None
    history: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [f"{number:3}. {step}" for number, step in enumerate(self.history, 1)]
        return "\n".join([f"{self.states:,} states", *lines, f"  => {self.problem or 'nothing is wrong'}"])


def explore(model: Model[S]) -> Exploration:
    """Look at every state once, until one is wrong."""
    with _without_collector():
        return _explored(model)


def _explored(model: Model[S]) -> Exploration:
    came: dict[S, tuple[str, S] | None] = {model.start: None}
    ahead = deque([model.start])
    done = False
    while ahead:
        state = ahead.popleft()
        if problem := model.wrong(state):
            return Exploration(len(came), done, problem, _history(came, state))
        done = done or model.done(state)
        for step, following in model.steps(state):
            if following not in came:
                came[following] = step, state
                ahead.append(following)
        assert len(came) <= MOST, f"More than {MOST:,} states; make the model smaller."
    return Exploration(len(came), done)


def holds(model: Model[S]) -> Exploration:
    """Assert that no state is wrong, and that some state has all work done."""
    found = explore(model)
    assert found.problem is None, f"\n{found}"
    assert found.done, "The model never gets its work done, so it proves nothing."
    return found


def fails(model: Model[S]) -> Exploration:
    """Assert that some state is wrong; prints the shortest history that leads there (pytest -rP shows it)."""
    found = explore(model)
    assert found.problem is not None, f"Nothing is wrong in {found.states:,} states, so the check cannot fail."
    print(found)
    return found


@contextmanager
def _without_collector() -> Iterator[None]:
    """States hold no cycles, and the collector would look at all of them again and again: a third of the time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _history(came: dict[S, tuple[str, S] | None], state: S) -> tuple[str, ...]:
    steps = []
    while (before := came[state]) is not None:
        step, state = before
        steps.append(step)
    return tuple(reversed(steps))
