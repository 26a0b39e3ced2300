"""What another policy would have earned, estimated from decisions that were logged with their propensities.

A decision's weight is the probability that the other policy would have made it, over the probability with which it was
made; it is 0 where the other decides differently for certain. The estimators are ratios of sums, so that one variance
serves all of them, and it is taken over units, whose decisions are alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from serving.statistics.normal_mixture import Array

STATED = 0.95
"""How often the intervals of all three estimators hold the truth together, so that one may go by any of them."""
REACH = 2.3939797998185104
"""Standard errors to either side: the normal distribution's for an error of 0.05 / 3 (Bonferroni)."""


@dataclass(frozen=True, slots=True)
class Logged:
    """Decisions, one element each.

    Attributes:
        rewards: what they earned.
        weights: the other policy's probability of the decision, over the logged propensity.
        units: whose decision it was, numbered from 0; None = each decision is a unit of its own.
    """

    rewards: Array
    weights: Array
    units: NDArray[np.int64] | None = None


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean reward per decision with its interval for one look: off-policy evaluation looks once."""

    value: float
    low: float
    high: float


def ips(logged: Logged) -> Estimate:
    """Inverse propensity scoring: the mean of weighted rewards. Unbiased where every decision of the other policy could
    have been logged. Horvitz and Thompson (1952), "A generalization of sampling without replacement from a finite
    universe", Journal of the American Statistical Association 47."""
    return _ratio(logged.weights * logged.rewards, np.ones_like(logged.rewards), logged.units)


def snips(logged: Logged) -> Estimate:
    """Self-normalised: weighted rewards over weights; less variable, and within the rewards' range. Swaminathan and
    Joachims (2015), "The self-normalized estimator for counterfactual learning", Advances in Neural Information
    Processing Systems 28."""
    return _ratio(logged.weights * logged.rewards, logged.weights, logged.units)


def doubly_robust(logged: Logged, predicted: Array, expected: Array) -> Estimate:
    """A model's expectation, corrected by the weighted errors that it made on what was logged: right if either the
    propensities or the model are. Dudik, Langford and Li (2011), "Doubly robust policy evaluation and learning",
    International Conference on Machine Learning.

    Args:
        predicted: the model's reward for the decision that was logged.
        expected: the model's reward for what the other policy would have decided.
    """
    corrected = expected + logged.weights * (logged.rewards - predicted)
    return _ratio(corrected, np.ones_like(corrected), logged.units)


def _ratio(above: Array, below: Array, units: NDArray[np.int64] | None) -> Estimate:
    """A ratio of sums and its interval, by the delta method over units: Deng, Knoblich and Lu (2018), "Applying the
    Delta Method in Metric Analytics", section 3."""
    total = float(below.sum())
    if not total > 0:
        return Estimate(math.nan, -math.inf, math.inf)
    value = float(above.sum()) / total
    errors = by_unit(above - value * below, units)
    count = len(errors)
    spread = math.sqrt(float((errors**2).sum()) * count / max(count - 1, 1)) / total
    return Estimate(value, value - REACH * spread, value + REACH * spread)


def by_unit(values: Array, units: NDArray[np.int64] | None) -> Array:
    """The sum of each unit."""
    if units is None:
        return values
    return np.bincount(units, weights=values).astype(np.float64)
