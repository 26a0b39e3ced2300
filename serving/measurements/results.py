"""What an experiment has shown so far: decisions, rewards and their rate per variant. No I/O.

Only counts: whether a difference is more than chance needs a confidence sequence, which comes with a later issue, so
nothing here says that one variant is better.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from serving.measurements.history import History
from serving.measurements.sample import Sample, VariantCounts


class Declared(Protocol):
    """An experiment as a data product declares it: `split` gives each variant's part of the traffic."""

    @property
    def name(self) -> str: ...
    @property
    def endpoint(self) -> str: ...
    @property
    def split(self) -> Mapping[str, int]: ...
    @property
    def goal(self) -> str: ...


@dataclass(frozen=True, slots=True)
class VariantFigures:
    """One variant. Shares are between 0 and 1; `rate` is rewards per decision; `pace` is decisions per second; `course`
    is the rate over the samples kept, oldest first. None where it is not known: 0 decisions have no rate."""

    name: str
    planned: float
    decisions: int | None
    share: float | None
    rewards: int | None
    rate: float | None
    pace: float | None
    course: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class ExperimentFigures:
    """One experiment as counted at `counted` (seconds since the epoch; None = the counts were never read)."""

    name: str
    endpoint: str
    goal: str
    variants: tuple[VariantFigures, ...]
    counted: float | None

    @property
    def decisions(self) -> int | None:
        """All variants together; None if not counted."""
        known = [item.decisions for item in self.variants if item.decisions is not None]
        return sum(known) if known else None

    @property
    def control(self) -> VariantFigures:
        """The first variant of the split, which the others are compared with."""
        return self.variants[0]


def figures(experiment: Declared, history: History) -> ExperimentFigures:
    """Compute one experiment's results from the counts that were sampled."""
    sample = history.last(lambda sample: sample.variants)
    counts = (sample.variants or {}).get(experiment.name) if sample else None
    total = sum(item.decisions for item in counts.values()) if counts else 0
    parts = sum(experiment.split.values())
    variants = tuple(
        _variant(experiment.name, name, part / parts, total, counts, history) for name, part in experiment.split.items()
    )
    return ExperimentFigures(
        experiment.name, experiment.endpoint, experiment.goal, variants, sample.at if sample else None
    )


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
