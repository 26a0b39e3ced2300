"""What an implementation would have earned, from logged decisions and what it answers to their requests. No I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from serving.statistics.normal_mixture import Array
from serving.statistics.off_policy import Estimate, Logged, doubly_robust, ips, snips
from serving.statistics.support import Support, support

Numbers = NDArray[np.int64]

PRIOR = 20.0
"""Decisions that an answer's reward rate is drawn towards the mean by, in the doubly robust estimator's model."""


class Taken(NamedTuple):
    """A logged decision: by which variant of which experiment, with which propensity, for whom, what it was asked, what
    it answered (its JSON, or the part that counts as the decision), how often it was rewarded, and in which hour since
    1970 it was made."""

    experiment: str
    variant: str
    propensity: float
    unit: str
    request: str
    answer: str
    reward: float
    hour: int = 0


Answers = Mapping[str, Mapping[str, str | None]]
"""By implementation, what it answers to a request; None where it failed."""


@dataclass(frozen=True)
class Evaluation:
    """What can be said of an implementation.

    Attributes:
        estimates: by estimator; mean rewards per decision.
        logged: what each variant has earned, by the same log.
        reproduced: the part of the logged answers that the variant which gave them gives again today.
        failed: requests that the implementation did not answer.
    """

    estimates: Mapping[str, Estimate]
    logged: Mapping[str, Estimate]
    support: Support
    reproduced: float
    failed: int


def evaluate(log: Sequence[Taken], name: str, answers: Answers) -> Evaluation:
    """Estimate what the implementation `name` would have earned on the requests of a log.

    A decision counts with the probability that its answer was given, which is that of all variants which give it: those
    are asked too, as two that answer alike share their propensities.
    """
    units = _numbered([taken.unit for taken in log])
    mine = [answers[name].get(taken.request) for taken in log]
    weights = np.array(
        [answer == taken.answer for answer, taken in zip(mine, log, strict=True)], np.float64
    ) / _propensities(log, answers)
    rewards = np.array([taken.reward for taken in log], np.float64)
    logged = Logged(rewards, weights, units)
    predicted, expected = _modelled(log, mine, units, rewards)
    return Evaluation(
        {"ips": ips(logged), "snips": snips(logged), "dr": doubly_robust(logged, predicted, expected)},
        {variant: _earned(log, variant, units, rewards) for variant in dict.fromkeys(taken.variant for taken in log)},
        support(logged),
        _reproduced(log, answers),
        sum(answer is None for answer in mine),
    )


def _propensities(log: Sequence[Taken], answers: Answers) -> Array:
    """Of each decision the probability of its answer: its variant's, and that of others which answer so too.

    A decision has its own variant's propensity alone, and that of the others may have changed since they were logged,
    where the split follows the rewards. So several variants that answer alike share one weight, each by what it was
    drawn with on average in that hour, and its part is divided by the decision's own propensity: for any such parts the
    weights have the mean 1. Where the split stays for the hour this is the sum of the propensities.
    """
    variants: dict[str, dict[str, None]] = {}
    drawn: dict[tuple[str, str, int | None], list[float]] = {}
    for taken in log:
        variants.setdefault(taken.experiment, {})[taken.variant] = None
        for hour in (taken.hour, None):
            drawn.setdefault((taken.experiment, taken.variant, hour), []).append(taken.propensity)
    usual = {place: sum(found) / len(found) for place, found in drawn.items()}

    def probability(taken: Taken) -> float:
        alike = [
            variant
            for variant in variants[taken.experiment]
            if variant == taken.variant or answers.get(variant, {}).get(taken.request) == taken.answer
        ]
        share = {
            variant: usual.get((taken.experiment, variant, taken.hour), usual[taken.experiment, variant, None])
            for variant in alike
        }
        return taken.propensity * sum(share.values()) / share[taken.variant]

    return np.array([probability(taken) for taken in log])


def _modelled(log: Sequence[Taken], mine: Sequence[str | None], units: Numbers, rewards: Array) -> tuple[Array, Array]:
    """The rate of an answer, drawn towards the mean, learned from one half of the units for the other: for what was
    logged, and for what would have been answered."""
    predicted, expected = np.zeros(len(log)), np.zeros(len(log))
    halves = units % 2
    for half in (0, 1):
        sums, counts = dict[str, float](), Counter[str]()
        for place in np.flatnonzero(halves != half).tolist():
            answer = log[place].answer
            sums[answer] = sums.get(answer, 0.0) + float(rewards[place])
            counts[answer] += 1
        mean = sum(sums.values()) / max(1, counts.total())
        rates = {answer: (sums[answer] + PRIOR * mean) / (count + PRIOR) for answer, count in counts.items()}
        used = np.flatnonzero(halves == half).tolist()
        predicted[used] = [rates.get(log[place].answer, mean) for place in used]
        expected[used] = [rates.get(mine[place] or "", mean) for place in used]
    return predicted, expected


def _earned(log: Sequence[Taken], variant: str, units: Numbers, rewards: Array) -> Estimate:
    weights = np.array([(taken.variant == variant) / taken.propensity for taken in log])
    return snips(Logged(rewards, weights, units))


def _reproduced(log: Sequence[Taken], answers: Answers) -> float:
    known = [taken for taken in log if taken.variant in answers]
    same = sum(answers[taken.variant].get(taken.request) == taken.answer for taken in known)
    return same / len(known) if known else 0.0


def _numbered(units: Sequence[str]) -> Numbers:
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(unit, len(numbers)) for unit in units], np.int64)
