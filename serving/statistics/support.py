"""Whether logged propensities can tell anything about another policy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from serving.statistics.off_policy import Logged, by_unit

FEW = 100.0
"""Units that an estimate must rest on, by their weights: with fewer, its interval is not to be believed."""
MISSING = 0.05
"""Part of the other policy's decisions that may be such as were never logged."""


@dataclass(frozen=True, slots=True)
class Support:
    """How much of a log speaks of the other policy.

    Attributes:
        decisions, units: in the log.
        effective: how many units with equal weights the estimate is worth: (sum w)^2 / sum w^2, Kish (1965), "Survey
            Sampling".
        missing: the part of the other policy's decisions that the log could not hold: 1 minus the mean weight, which is
            1 where every decision could have been logged; 0 where it is above.
        surplus: how much the mean weight is above 1, beyond chance: more than one logged policy decides so, and
            its propensity alone is too small. 0 where it is not.
    """

    decisions: int
    units: int
    effective: float
    missing: float
    surplus: float

    @property
    def problems(self) -> list[str]:
        """Why an estimate is not to be believed, each a sentence; empty where it is."""
        found = []
        if self.effective < FEW:
            found.append(
                f"It rests on {self.effective:,.0f} of {self.units:,} units, and below {FEW:.0f} no interval is to be "
                "believed: log more decisions, or give more traffic to an implementation that answers like this one."
            )
        if self.missing > MISSING:
            found.append(
                f"{self.missing:.0%} of what it would answer was never answered by what is logged, so that nothing "
                "is known of its reward: let some traffic go to it, or to an implementation that explores."
            )
        if self.surplus > MISSING:
            found.append(
                f"The weights are {self.surplus:.0%} too large: several of the logged implementations answer like this "
                "one, so that their propensities alone are too small. Trust the self-normalised estimate at most."
            )
        return found


def support(logged: Logged) -> Support:
    """Measure it. The mean weight counts as away from 1 where two standard errors do not explain it."""
    weights = by_unit(logged.weights, logged.units)
    decided = by_unit(np.ones_like(logged.weights), logged.units)
    squares, total = float((weights**2).sum()), float(decided.sum())
    mean = float(weights.sum()) / total if total else 0.0
    chance = 2 * float(np.sqrt(((weights - mean * decided) ** 2).sum())) / total if total else 0.0
    return Support(
        decisions=len(logged.weights),
        units=len(weights),
        effective=float(weights.sum()) ** 2 / squares if squares else 0.0,
        missing=1 - mean if 1 - mean > chance else 0.0,
        surplus=mean - 1 if mean - 1 > chance else 0.0,
    )
