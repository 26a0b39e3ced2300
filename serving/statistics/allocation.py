"""Whether units fell to the variants as they should have, tested at every look."""

from __future__ import annotations

import math
from collections.abc import Sequence

ALARM = 0.001
"""The probability that an experiment whose split is right ever raises the alarm."""
STRENGTH = 100.0
"""How close to the plan the alternatives lie, as a number of units seen before: differences of a few per cent, as a
faulty assignment makes, are found soonest."""


def evidence(units: Sequence[int], planned: Sequence[float]) -> float:
    """The logarithm of how many times better other splits explain the counts than the planned one does.

    A mixture over all splits, by a Dirichlet prior around the plan; a martingale of mean 1 while the plan is true, so
    that the probability that it ever reaches 1/a is at most a: Lindon and Malek (2022), "Anytime-valid inference for
    multinomial count data", Advances in Neural Information Processing Systems 35.

    Args:
        units: per variant; units and not decisions, as those of one unit are not drawn independently.
        planned: share of units of each variant, above 0, together 1.
    """
    prior = [STRENGTH * share for share in planned]
    total, before = sum(units), sum(prior)
    mixed = math.lgamma(before) - math.lgamma(before + total)
    mixed += sum(math.lgamma(a + n) - math.lgamma(a) for a, n in zip(prior, units, strict=True))
    return mixed - sum(n * math.log(share) for n, share in zip(units, planned, strict=True))


def is_off(units: Sequence[int], planned: Sequence[float], error: float = ALARM) -> bool:
    """Whether the evidence against the planned split is enough, at this error over all looks."""
    return evidence(units, planned) >= -math.log(error)
