"""Which of the known experiments can be served with the implementations that are loaded. No I/O."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from serving.errors import ExperimentRefused
from serving.experiments.definition import Definition
from serving.experiments.known import Known


@dataclass(frozen=True)
class Fit:
    """What is served.

    Attributes:
        running: by endpoint type, the experiments on it.
        shadows: by endpoint type, the shadows of it.
        ordinary: by endpoint type, the implementation that was shipped; where there is none, the first answers.
        aside: by experiment, why it is not served as it is written.
    """

    running: Mapping[str, Sequence[Definition]] = field(default_factory=dict)
    shadows: Mapping[str, Sequence[Definition]] = field(default_factory=dict)
    ordinary: Mapping[str, str] = field(default_factory=dict)
    aside: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> frozenset[str]:
        """The experiments that run here."""
        return frozenset(item.name for items in self.running.values() for item in items)


def fitting(known: Known, implementations: Mapping[str, Collection[str]], must: Collection[str] = ()) -> Fit:
    """What of the experiments can be served; the others' units get the ordinary answer.

    Args:
        implementations: by endpoint type.
        must: experiments that have to be.

    Raises:
        ExperimentRefused: one of those cannot.
    """
    running: dict[str, list[Definition]] = {title: [] for title in implementations}
    shadows: dict[str, list[Definition]] = {title: [] for title in implementations}
    ordinary: dict[str, str] = {}
    aside: dict[str, str] = {}

    def fits(item: Definition, variants: Collection[str], beside: Sequence[Definition] = ()) -> bool:
        why = _missing(item, variants, implementations) or known.collision(item, beside)
        if why and item.name in must:
            raise ExperimentRefused(f"Experiment {item.name} {why}.")
        if why:
            aside[item.name] = f"Experiment {item.name} {why}."
        return not why

    for item in known.running():
        if fits(item, item.split, [other for items in running.values() for other in items]):
            running[item.endpoint].append(item)
    for item in known.shadows():
        if fits(item, item.split):
            shadows[item.endpoint].append(item)
    for title in implementations:
        last = known.shipped(title)
        if last is not None and fits(last, [last.shipped or ""]):
            ordinary[title] = last.shipped or ""
    return Fit(running, shadows, ordinary, aside)


def _missing(item: Definition, variants: Collection[str], implementations: Mapping[str, Collection[str]]) -> str:
    loaded = implementations.get(item.endpoint)
    if loaded is None:
        return f"is on {item.endpoint}; there is {', '.join(implementations) or 'none'}"
    missing = [name for name in variants if name not in loaded]
    if missing:
        return f"gives traffic to {missing[0]}, no implementation of {item.endpoint}; there are: {', '.join(loaded)}"
    return ""
