"""Who answers for which unit of one endpoint type: the experiments' variants, and what answers for everybody else."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Generic, NamedTuple, TypeVar

from serving.assignment import BUCKETS, LAYER, Range, bucket
from serving.experiments.definition import Definition, Drawn

Chosen = TypeVar("Chosen")


class Draw(NamedTuple, Generic[Chosen]):
    """One experiment's units are drawn among its variants: the salt, the end of each variant's buckets, the choices."""

    salt: str
    ends: Sequence[int]
    choices: Sequence[Chosen]


class Traffic(Generic[Chosen]):
    """Made when loaded, never changed. An endpoint type's experiments are all in one layer.

    Args:
        ordinary: answers for units that are in no experiment.
        experiments: each with how its units are drawn, and a choice for each of its variants, in their order.
    """

    def __init__(self, ordinary: Chosen, experiments: Sequence[tuple[Definition, Drawn, Sequence[Chosen]]]) -> None:
        self._ordinary = ordinary
        self._layer, self._whole = "", None
        self._ends: list[int] = []
        self._draws: list[Draw[Chosen] | None] = []
        draws = [(item, Draw(drawn.salt, drawn.ends, choices)) for item, drawn, choices in experiments]
        if len(draws) == 1 and tuple(draws[0][0].ranges) == ((0, BUCKETS),):
            self._whole = draws[0][1]  # everybody is in it: the layer need not be asked
        elif draws:
            self._layer = LAYER + draws[0][0].layer
            self._divide([(owned, draw) for item, draw in draws for owned in item.ranges])

    def of(self, unit: str) -> Chosen:
        """Who answers for this unit."""
        draw = self._whole
        if self._layer:
            draw = self._draws[bisect_right(self._ends, bucket(self._layer, unit))]
        if draw is None:
            return self._ordinary
        return draw.choices[bisect_right(draw.ends, bucket(draw.salt, unit))]

    @property
    def everybody(self) -> Sequence[Chosen]:
        """All who may answer for some unit."""
        draws = [draw for draw in (self._whole, *self._draws) if draw is not None]
        inside = [choice for draw in draws for choice in draw.choices]
        return inside if self._whole is not None else [self._ordinary, *inside]

    def _divide(self, ranges: Sequence[tuple[Range, Draw[Chosen]]]) -> None:
        """Lay the ranges side by side, with what nobody owns between them."""
        position = 0
        for (start, end), draw in sorted(ranges, key=lambda pair: pair[0]):
            if position < start:
                self._ends.append(start)
                self._draws.append(None)
            self._ends.append(end)
            self._draws.append(draw)
            position = end
        if position < BUCKETS:
            self._ends.append(BUCKETS)
            self._draws.append(None)
