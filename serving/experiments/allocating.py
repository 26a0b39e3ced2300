"""Writes the split of each next period of Thompson sampling a little before it begins: then all replicas have it."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Sequence

from serving.errors import ExperimentRefused, ExperimentsUnavailable
from serving.experiments.changes import allocate
from serving.experiments.definition import Definition
from serving.experiments.experiments import Experiments
from serving.experiments.thompson import Counts
from serving.measurements import ExperimentFigures

LOGGER = logging.getLogger("millrace.experiments")
STEP = 1.0
"""Seconds between two looks at the clock."""
AHEAD, PART = 60.0, 0.1
"""A split is written so many seconds before its period, but no more than this part of a period."""

Figures = Callable[[], Sequence[ExperimentFigures]]


class Allocating:
    """Every replica tries, each at a moment of its own; the table lets one write a period's split, and the others find
    that it is there. Where none can, as nothing is counted or the table is away, the split before goes on.

    Args:
        figures: what was counted so far.
        clock: seconds since 1970.
    """

    def __init__(self, experiments: Experiments, figures: Figures, clock: Callable[[], float] = time.time) -> None:
        self._experiments, self._figures, self._clock = experiments, figures, clock
        self._mine = random.uniform(0.5, 1.0)

    async def run(self) -> None:
        """Write splits until cancelled."""
        while True:
            await asyncio.sleep(STEP)
            await self.step()

    async def step(self) -> None:
        """Write the splits that are due now."""
        for item in self._experiments.known.running():
            if (number := self._due(item)) is None or (counts := self._counts(item)) is None:
                continue
            try:
                await self._experiments.change(item.name, allocate(item.name, number, counts))
            except (ExperimentRefused, ExperimentsUnavailable) as error:
                LOGGER.warning("The split of %s stays as it is: %s", item.name, error)

    def _due(self, item: Definition) -> int | None:
        """The period whose split is to be written now."""
        if not item.period_s:
            return None
        now = self._clock()
        following = item.number(now) + 1
        ahead = min(AHEAD, PART * item.period_s) * self._mine
        if any(split.number >= following for split in item.splits) or now < following * item.period_s - ahead:
            return None
        return following

    def _counts(self, item: Definition) -> list[Counts] | None:
        """What each variant has shown; None while nobody counts it."""
        figures = next((one for one in self._figures() if one.name == item.name), None)
        if figures is None:
            return None
        shown = {variant.name: variant for variant in figures.variants}
        counts = [(shown[name].decisions, shown[name].rewards) for name in item.split if name in shown]
        known = [
            Counts(decided, min(rewards, decided))
            for decided, rewards in counts
            if decided is not None and rewards is not None
        ]
        return known if len(known) == len(item.variants) else None
