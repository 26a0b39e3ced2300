"""Thompson sampling over variants: how the traffic is split, by the rewards so far. Pure functions, without chance.

A unit that is drawn by Thompson sampling (Thompson 1933; Chapelle and Li 2011) gets the variant that is best in one
sample of what is believed; so each variant gets it with the probability of being best. This probability is integrated
here rather than sampled, so that it is the same wherever it is computed, and the propensities are exact.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray

from serving.assignment import BUCKETS

LEAST = 100
"""Buckets that each variant gets at least: 1 %, so that each stays measured, and no propensity is 0."""
ORDER = 16
"""Nodes of the quadrature in each panel."""

Array = NDArray[Any]
_SPREAD = np.array([*np.arange(0, 6, 0.25), *np.arange(6, 12, 0.5), 12, 14, 17, 20, 25, 30, 40, 60, 100, 200])
"""Standard deviations from the mean at which panels end: close where the density is, and far out for long tails."""


class Counts(NamedTuple):
    """What one variant has shown: its decisions, and how many of them were rewarded."""

    decisions: int
    rewards: int


def chances(counts: Sequence[Counts]) -> list[float]:
    """For each variant the probability that its reward rate is the highest.

    Of a rate is believed Beta(1 + rewards, 1 + decisions - rewards), as after a uniform prior. The probability is the
    integral of its density times the others' distribution functions, by Gauss-Legendre quadrature over panels that
    follow all densities; the error is below 1e-9.
    """
    if len(counts) == 1:
        return [1.0]
    nodes, halves = _panels(counts)
    densities = [_density(item, nodes) for item in counts]
    below = []
    for at, density in enumerate(densities):
        inside = halves[:, None] * (density @ _INTEGRALS.T)  # from a panel's beginning to each of its nodes
        panels = halves * (density @ _WEIGHTS)
        before = np.concatenate([[0.0], np.cumsum(panels)[:-1]])
        total = float(panels.sum())
        densities[at] = density / total
        below.append((before[:, None] + inside) / total)
    found = []
    for at, density in enumerate(densities):
        others = np.prod([one for other, one in enumerate(below) if other != at], axis=0)
        found.append(max(0.0, float((halves * ((density * others) @ _WEIGHTS)).sum())))  # as rounding may be below
    return [value / sum(found) for value in found]


def split_ends(shares: Sequence[float]) -> tuple[int, ...]:
    """For each variant, in order, the first bucket that is not its own any more; the last is 10,000.

    Each has `LEAST` buckets, and of the rest its share; what rounding leaves goes to the largest remainders, the first
    of equal ones first.
    """
    rest = BUCKETS - LEAST * len(shares)
    wanted = [share * rest for share in shares]
    whole = [math.floor(value) for value in wanted]
    order = sorted(range(len(shares)), key=lambda at: (whole[at] - wanted[at], at))
    for at in order[: rest - sum(whole)]:
        whole[at] += 1
    return tuple(accumulate(LEAST + value for value in whole))


def _panels(counts: Sequence[Counts]) -> tuple[Array, Array]:
    """The quadrature's nodes, a row for each panel, and half of each panel's width."""
    ends = [np.array([0.0, 1.0])]
    for decisions, rewards in counts:
        mean = (rewards + 1) / (decisions + 2)
        deviation = math.sqrt(mean * (1 - mean) / (decisions + 3))
        ends += [mean + deviation * _SPREAD, mean - deviation * _SPREAD]
    edges = np.unique(np.clip(np.concatenate(ends), 0.0, 1.0))
    halves = np.diff(edges) / 2
    return edges[:-1, None] + halves[:, None] * (1 + _NODES), halves


def _density(counts: Counts, at: Array) -> Array:
    """The posterior's density, as a multiple of its highest value: computed beside the mode, where large powers of
    numbers just below 1 keep their digits."""
    decisions, rewards = counts
    if not decisions:
        return np.ones_like(at)
    mode = rewards / decisions
    found = np.zeros_like(at)
    with np.errstate(divide="ignore"):  # 0 to a power is 0
        if rewards:
            found += rewards * np.log1p((at - mode) / mode)
        if decisions > rewards:
            found += (decisions - rewards) * np.log1p((mode - at) / (1 - mode))
    return np.exp(found)


def _integrals() -> Array:
    """For each node the weights that integrate from -1 to it: a function's Legendre series, integrated by term."""
    degrees = range(ORDER)
    series = np.array([legendre.legval(_NODES, np.eye(ORDER)[degree]) * (degree + 0.5) for degree in degrees])
    integrals = [legendre.legval(_NODES, legendre.legint(np.eye(ORDER)[degree], lbnd=-1)) for degree in degrees]
    return np.asarray(np.array(integrals).T @ (series * _WEIGHTS))


_NODES, _WEIGHTS = legendre.leggauss(ORDER)
_INTEGRALS = _integrals()
