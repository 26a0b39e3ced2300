"""What an experiment has shown so far: counts per variant, how they differ from the control, and whether that may be
trusted. No I/O."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from serving.assignment import BUCKETS, propensities
from serving.measurements.experiment_counts import VariantMeasures
from serving.measurements.history import History
from serving.measurements.lift import Lift, lift
from serving.measurements.sample import Sample, VariantCounts
from serving.statistics import allocation

Measures = Mapping[str, VariantMeasures]
"""Of one experiment, by variant."""


ERROR = 0.05
"""In so many of a hundred experiments, at most, will any interval of a lift, at any look, ever miss the truth."""
LARGEST = 690.0
"""The logarithm of the largest evidence that is told."""


class Declared(Protocol):
    """An experiment: `split` gives each variant's part of the traffic; `period_s` is above 0 where that changes by
    itself."""

    @property
    def name(self) -> str: ...
    @property
    def endpoint(self) -> str: ...
    @property
    def split(self) -> Mapping[str, int]: ...
    @property
    def goal(self) -> str: ...
    @property
    def period_s(self) -> int: ...


@dataclass(frozen=True, slots=True)
class VariantFigures:
    """One variant. Shares are between 0 and 1; `rate` is rewards per decision; `pace` is decisions per second; `course`
    is the rate over the samples kept, oldest first; `units` were in it; `fallbacks` is the share of decisions that
    something else had to answer, `median` and `p99` are latencies in ms, rounded up by at most a quarter. None where it
    is not known: 0 decisions have no rate.

    `lift` compares its rewards with the control's, `more_fallbacks` how often it fell back; None for the control and
    while there is nothing to compare."""

    name: str
    planned: float
    decisions: int | None
    share: float | None
    rewards: int | None
    rate: float | None
    pace: float | None
    course: tuple[float, ...]
    units: int | None = None
    fallbacks: float | None = None
    median: float | None = None
    p99: float | None = None
    lift: Lift | None = None
    more_fallbacks: Lift | None = None


@dataclass(frozen=True, slots=True)
class ExperimentFigures:
    """One experiment as counted at `counted` (seconds since the epoch; None = the counts were never read).

    `split_evidence` is how many times better another split explains the units of each variant than the planned one
    does; `split_off` says that this is enough to trust no result. None where units were not counted, or came by more
    than one split.
    """

    name: str
    endpoint: str
    goal: str
    variants: tuple[VariantFigures, ...]
    counted: float | None
    split_evidence: float | None = None
    split_off: bool = False

    @property
    def decisions(self) -> int | None:
        """All variants together; None if not counted."""
        known = [item.decisions for item in self.variants if item.decisions is not None]
        return sum(known) if known else None

    @property
    def control(self) -> VariantFigures:
        """The first variant of the split, which the others are compared with."""
        return self.variants[0]


def figures(experiment: Declared, history: History, measures: Measures | None = None) -> ExperimentFigures:
    """Compute one experiment's results from the counts that were sampled and from the newest ones by group of units."""
    sample = history.last(lambda sample: sample.variants)
    counts = (sample.variants or {}).get(experiment.name) if sample else None
    total = sum(item.decisions for item in counts.values()) if counts else 0
    shares = dict(zip(experiment.split, propensities(experiment.split), strict=True))
    variants = [_variant(experiment.name, name, share, total, counts, history) for name, share in shares.items()]
    units = None if measures is None else _units_of_one_split(measures, shares)
    evidence = None if not units else allocation.evidence(units, list(shares.values()))
    return ExperimentFigures(
        experiment.name,
        experiment.endpoint,
        experiment.goal,
        tuple(variants if measures is None else _measured(variants, measures)),
        sample.at if sample else None,
        None if evidence is None else math.exp(min(evidence, LARGEST)),
        units is not None and allocation.is_off(units, list(shares.values())),
    )


def _measured(variants: Sequence[VariantFigures], measures: Measures) -> Iterator[VariantFigures]:
    """The figures with what is known by group of units. Of several variants each has a part of the error, so that the
    experiment as a whole has it (Bonferroni)."""
    error = ERROR / max(1, len(variants) - 1)
    control = measures[variants[0].name]
    for figures in variants:
        mine = measures[figures.name]
        decided = mine.decisions.sum()
        found = replace(
            figures,
            units=sum(mine.units.values()),
            fallbacks=float(mine.fallbacks.sum() / decided) if decided else None,
            median=mine.quantile(0.5),
            p99=mine.quantile(0.99),
        )
        if mine is not control:
            found = replace(
                found,
                lift=lift(control.rewarded, mine.rewarded, error),
                more_fallbacks=lift(control.fallen_back, mine.fallen_back, error),
            )
        yield found


def _units_of_one_split(measures: Measures, shares: Mapping[str, float]) -> list[int] | None:
    """Units per variant, if all came by the split that is planned."""
    parts = {name: round(BUCKETS * share) for name, share in shares.items()}
    if any(measures[name].units.keys() - {part} for name, part in parts.items()):
        return None
    return [measures[name].units.get(part, 0) for name, part in parts.items()]


def _variant(
    experiment: str,
    name: str,
    planned: float,
    total: int,
    counts: Mapping[str, VariantCounts] | None,
    history: History,
) -> VariantFigures:
    def of(sample: Sample) -> VariantCounts | None:
        found = (sample.variants or {}).get(experiment)
        return None if found is None else found.get(name, VariantCounts(0, 0))

    def decided(sample: Sample) -> float | None:
        found = of(sample)
        return None if found is None else found.decisions

    mine = None if counts is None else counts.get(name, VariantCounts(0, 0))
    return VariantFigures(
        name=name,
        planned=planned,
        decisions=None if mine is None else mine.decisions,
        share=mine.decisions / total if mine and total else None,
        rewards=None if mine is None else mine.rewards,
        rate=_rate(mine),
        pace=history.rate(decided),
        course=tuple(rate for sample in history if (rate := _rate(of(sample))) is not None),
    )


def _rate(counts: VariantCounts | None) -> float | None:
    if counts is None or counts.rewards is None or not counts.decisions:
        return None
    return counts.rewards / counts.decisions
