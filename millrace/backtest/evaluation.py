"""Progressive evaluation: every event is predicted before it is learned (Gama et al. 2013, "prequential")."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from millrace.backtest.question import Question
from schemas import Event

WINDOW = 2000
"""Predictions that one point of the learning curve looks back over."""

Ask = Callable[[Any], Awaitable[Any]]


@dataclass
class Tally:
    """Predictions so far, and per implementation which of them were hits."""

    hits: dict[str, list[bool]]
    events: int = 0

    @property
    def predictions(self) -> int:
        """How many questions were asked of each implementation."""
        return len(next(iter(self.hits.values()), []))

    def rates(self) -> dict[str, float]:
        """Hits per prediction; 0 before the first."""
        return {name: sum(found) / max(len(found), 1) for name, found in self.hits.items()}

    def curve(self) -> dict[str, list[tuple[int, float]]]:
        """Per implementation (predictions so far, hit rate over the last `WINDOW`), about a hundred points."""
        return {name: list(_moving(found)) for name, found in self.hits.items()}


@dataclass
class Evaluation:
    """One pass over the events. It knows neither storages nor endpoint types: it asks, and lets learn.

    Args:
        request: makes the request for a unit.
        implementations: by name.
        learn: folds one event, visible to the next question.
    """

    question: Question
    request: Callable[[str], Any]
    implementations: Mapping[str, Ask]
    learn: Callable[[Event], None]
    tally: Tally = field(init=False)

    def __post_init__(self) -> None:
        self.tally = Tally({name: [] for name in self.implementations})
        self._found = self.question.reader()
        self._begun: set[str] = set()

    async def run(self, events: Sequence[Event], positive: Sequence[bool]) -> AsyncIterator[Tally]:
        """Predict and learn in this order; yields after every event.

        Args:
            positive: for each event of the question's topic, in order, whether it is to be predicted; events of other
                topics are only learned.
        """
        verdicts = iter(positive)
        for event in events:
            if event.event_type.topic == self.question.event and next(verdicts):
                await self._predict(event)
            self.learn(event)
            self.tally.events += 1
            yield self.tally

    async def _predict(self, event: Event) -> None:
        unit, item = getattr(event, self.question.unit), getattr(event, self.question.item)
        if unit in self._begun:
            request = self.request(unit)
            for name, ask in self.implementations.items():
                self.tally.hits[name].append(item in self._found(await ask(request)))
        self._begun.add(unit)


def _moving(found: Sequence[bool]) -> list[tuple[int, float]]:
    step = max(1, len(found) // 100)
    sums = [0]
    for hit in found:
        sums.append(sums[-1] + hit)
    ends = range(min(WINDOW, len(found)), len(found) + 1, step)
    return [(end, (sums[end] - sums[max(0, end - WINDOW)]) / min(end, WINDOW)) for end in ends if end]
