"""Two variants compared: difference and lift of their reward rates, with intervals that hold at every look."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from serving.statistics.normal_mixture import Array, multiples

ENOUGH = 8.0
"""Groups that must carry a variance, by their kurtosis: with fewer a few units decide, and sums are not normal yet."""


@dataclass(frozen=True, slots=True)
class Sums:
    """One variant's sums per group of units: the last axis is the group, those before it are experiments."""

    decisions: Array
    rewards: Array


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate and what holds the truth, at all looks together, with the stated probability; infinite bounds where
    there is too little to say anything."""

    estimate: Array
    low: Array
    high: Array


@dataclass(frozen=True, slots=True)
class Comparison:
    """A variant beside the control.

    Attributes:
        difference: of rewards per decision, variant minus control.
        lift: difference over the control's rate; nan or unbounded while the control's rate may be 0.
        variance: of the sum of rewards that the difference is taken from: the clock of the sequence.
    """

    difference: Interval
    lift: Interval
    variance: Array


@np.errstate(divide="ignore", invalid="ignore")
def compare(control: Sums, variant: Sums, error: float) -> Comparison:
    """Compare a variant with the control.

    The variance is by groups of units, as a delete-a-group jackknife of the ratio of sums (Kott 2001, "The
    delete-a-group jackknife", Journal of Official Statistics 17; to first order the delta method of Deng, Knoblich and
    Lu 2018, "Applying the Delta Method in Metric Analytics", section 3, and on its safe side where one group is large).
    Both variants are left out a group at a time, so that units which were in both count as they should. The lift is
    Fieller's: it excludes 0 exactly where the difference does.

    Args:
        error: the probability that any look, ever, misses the truth.
    """
    base, other = _leave_one_out(control), _leave_one_out(variant)
    decisions = _sum(control.decisions), _sum(variant.decisions)
    covariances = _covariances(base.deviations, other.deviations, decisions[0] / decisions[1])
    spread = other.deviations - base.deviations
    variance = covariances[0] - 2 * covariances[1] + covariances[2]
    clock = _harmonic_mean(*decisions) ** 2 * variance
    reach = np.where(_carriers(spread) >= ENOUGH, multiples(clock, error), np.inf)
    difference = other.rate - base.rate
    margin, known = reach * np.sqrt(variance), np.isfinite(reach)
    return Comparison(
        Interval(
            difference, np.where(known, difference - margin, -np.inf), np.where(known, difference + margin, np.inf)
        ),
        _fieller(base.rate, other.rate, covariances, reach),
        clock,
    )


@dataclass(frozen=True, slots=True)
class _Jackknife:
    rate: Array
    deviations: Array


def _leave_one_out(sums: Sums) -> _Jackknife:
    """The rate, and how it changes when a group is left out; nan where nothing would be left."""
    decisions, rewards = _sum(sums.decisions), _sum(sums.rewards)
    rate = rewards / decisions
    expected = rate[..., None] * sums.decisions
    return _Jackknife(rate, (expected - sums.rewards) / (decisions[..., None] - sums.decisions))


def _covariances(base: Array, other: Array, more: Array) -> tuple[Array, Array, Array]:
    """Variance of the control's rate, covariance, and variance of the variant's rate.

    Each variance is at least what that of the other one would be with as many decisions, as both have units of one kind
    and rewards are skewed: a small variant that happened to get few has a small variance too, and its range would
    miss the truth.

    Args:
        more: decisions of the control for each of the variant.
    """
    scale = 1 - 1 / base.shape[-1]
    of_base, of_both, of_other = (scale * _products(*pair) for pair in ((base, base), (base, other), (other, other)))
    return np.maximum(of_base, of_other / more), of_both, np.maximum(of_other, of_base * more)


def _carriers(spread: Array) -> Array:
    """How many groups carry the variance: as many as would if each of them had an equal part of it; 0 without any."""
    squares = spread * spread
    return np.nan_to_num(_sum(squares) ** 2 / _products(squares, squares))


def _harmonic_mean(one: Array, two: Array) -> Array:
    return 2 * one * two / (one + two)


def _fieller(base: Array, other: Array, covariances: tuple[Array, Array, Array], reach: Array) -> Interval:
    """The lifts r - 1 for which `other - r * base` is within `reach` of its standard errors of 0: Fieller (1954), "Some
    problems in interval estimation", Journal of the Royal Statistical Society B 16."""
    of_base, of_both, of_other = covariances
    square = reach**2
    first = base**2 - square * of_base
    middle = base * other - square * of_both
    last = other**2 - square * of_other
    root = np.sqrt(np.maximum(middle**2 - first * last, 0.0))
    bounded = np.isfinite(square) & (first > 0)
    low = np.where(bounded, (middle - root) / first - 1, -1.0)
    high = np.where(bounded, (middle + root) / first - 1, np.inf)
    return Interval(other / base - 1, np.maximum(low, -1.0), high)


def _products(one: Array, two: Array) -> Array:
    return np.asarray(np.einsum("...g,...g->...", one, two))


def _sum(values: Array) -> Array:
    return np.asarray(values.sum(-1))
