"""One row of a ranking in memory: scores by member, and their order where somebody has asked for it."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping

_Place = tuple[float, str]
_REPAIRED = 8
"""The order is made anew when more than one member in so many has changed."""


class RankedRow:
    """Members with scores. The order is kept between reads and only repaired where scores have changed, so that a
    backtest, which reads after every event, does not sort all members each time."""

    __slots__ = ("_changed", "_order", "scores")

    def __init__(self) -> None:
        self.scores: dict[str, float] = {}
        self._order: list[_Place] | None = None
        self._changed: dict[str, float | None] = {}

    def add(self, weights: Mapping[str, float]) -> None:
        """Add to members' scores."""
        scores = self.scores
        if self._order is not None:
            self._note(weights)
        for member, weight in weights.items():
            scores[member] = scores.get(member, 0.0) + weight

    def put(self, scores: Mapping[str, float]) -> None:
        """Replace members' scores."""
        if self._order is not None:
            self._note(scores)
        self.scores.update(scores)

    def remove(self, members: Iterable[str]) -> None:
        """Forget members."""
        for member in members:
            self.scores.pop(member, None)
        self._order = None

    def top(self, size: int) -> list[tuple[str, float]]:
        """The `size` members with the highest scores, best first, ties by member."""
        return [(member, 0.0 - negated) for negated, member in self._ordered()[:size]]

    def _note(self, members: Mapping[str, float]) -> None:
        for member in members:
            self._changed.setdefault(member, self.scores.get(member))

    def _ordered(self) -> list[_Place]:
        if self._order is None or len(self._changed) * _REPAIRED > len(self._order):
            self._order = sorted((0.0 - score, member) for member, score in self.scores.items())
        else:
            for member, before in self._changed.items():
                if before is not None:
                    del self._order[bisect_left(self._order, (0.0 - before, member))]
                insort(self._order, (0.0 - self.scores[member], member))
        self._changed.clear()
        return self._order
