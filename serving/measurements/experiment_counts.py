"""What the learners have counted for one experiment, as arrays by variant. No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from schemas import GROUPS
from serving.statistics.comparison import Sums
from serving.statistics.normal_mixture import Array

WEIGHTED = "weighted"
MEASURES = ("decisions", "fallbacks", "latency", "units", WEIGHTED)
"""Rows of `experiment_measures`, each under `experiment.measure`."""
WHOLE = 10_000
"""What a decision of weight 1 counts."""


@dataclass(frozen=True, slots=True)
class VariantMeasures:
    """One variant. `decisions`, `fallbacks` and `rewards` are by group of units, `rewards` is None while nobody counts
    them; `weighted` are decisions and rewards by their weights, None where the split stays as it is. `latency` is by
    step s, up to 10^(s/10) ms, `units` by their variant's part of 10,000 when they came."""

    decisions: Array
    fallbacks: Array
    rewards: Array | None
    latency: Mapping[int, int]
    units: Mapping[int, int]
    weighted: Sums | None = None

    @property
    def rewarded(self) -> Sums | None:
        """Decisions and rewards, to be compared; by their weights where the split changes by itself."""
        if self.rewards is None:
            return None
        return self.weighted or Sums(self.decisions, self.rewards)

    @property
    def fallen_back(self) -> Sums:
        """Decisions and those of them that something else had to answer, to be compared."""
        return Sums(self.decisions, self.fallbacks)

    def quantile(self, share: float) -> float | None:
        """The upper bound in ms of the step that a latency's quantile lies in; None without decisions."""
        left = share * sum(self.latency.values())
        for step in sorted(self.latency):
            left -= self.latency[step]
            if left <= 0:
                return float(10 ** (step / 10))
        return None


Row = Mapping[str, int]


def variants(
    names: Sequence[str], measures: Sequence[Row], rewards: Sequence[Row] | None, by_weight: bool = False
) -> Mapping[str, VariantMeasures]:
    """Per variant what was counted.

    Args:
        measures: the rows of `MEASURES`, in this order: fields such as `variant.17`.
        rewards: the goal's rewards by group, and these by their weights; None while nobody counts them.
        by_weight: whether the split changes by itself, so that decisions are compared by their weights.
    """
    decisions, fallbacks, latency, units, weights = (_by_variant(row) for row in measures)
    rewarded, weighted = ({}, {}) if rewards is None else (_by_variant(row) for row in rewards)
    return {
        name: VariantMeasures(
            _by_group(decisions.get(name, {})),
            _by_group(fallbacks.get(name, {})),
            None if rewards is None else _by_group(rewarded.get(name, {})),
            latency.get(name, {}),
            units.get(name, {}),
            Sums(_by_group(weights.get(name, {})) / WHOLE, _by_group(weighted.get(name, {})) / WHOLE)
            if by_weight
            else None,
        )
        for name in names
    }


def _by_variant(row: Row) -> dict[str, dict[int, int]]:
    """The fields `variant.17` as variant -> 17 -> count."""
    found: dict[str, dict[int, int]] = {}
    for field, count in row.items():
        variant, _, place = field.rpartition(".")
        found.setdefault(variant, {})[int(place)] = count
    return found


def _by_group(counts: Mapping[int, int]) -> Array:
    found = np.zeros(GROUPS)
    for group, count in counts.items():
        found[group] = count
    return found
