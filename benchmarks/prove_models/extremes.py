"""Where the ranges of lifts are hardest to keep: uneven splits, rare rewards, late ones, splits that follow rewards.

`python -m benchmarks.prove_models.extremes` prints in how many of 300 experiments any of a hundred looks was wrong. It
computes from made-up counts alone, without learners, and is no part of `make prove-models`.
"""

from __future__ import annotations

import sys

import numpy as np

from benchmarks.prove_models.visitors import Truth, course
from schemas import GROUPS
from serving.assignment import BUCKETS, weights
from serving.experiments.thompson import Counts, chances, split_ends
from serving.statistics.comparison import Sums, compare
from serving.statistics.normal_mixture import Array

RUNS, LOOKS, ERROR = 300, 100, 0.05
EVENTS = 20_000
CASES = {
    "even": Truth(0.1, events=EVENTS),
    "90 : 10": Truth(0.1, part=0.1, events=EVENTS),
    "95 : 5": Truth(0.1, part=0.05, events=EVENTS),
    "98 : 2": Truth(0.1, part=0.02, events=EVENTS),
    "rare rewards": Truth(0.01, events=EVENTS),
    "frequent rewards, alike, 90 : 10": Truth(0.5, 0.5, part=0.1, events=EVENTS),
    "a lift of a fifth, 90 : 10": Truth(0.1, lift=0.2, part=0.1, events=EVENTS),
}


def wrong(truth: Truth, run: int) -> bool:
    """Whether any look at one experiment, at times further and further apart, missed the true lift."""
    one = course(truth, np.random.default_rng([11, run]))
    _, first = np.unique(one.decision[one.bought], return_index=True)
    counted = ~one.bought
    counted[np.flatnonzero(one.bought)[first]] = True  # a decision is rewarded once
    counted &= one.at - one.made <= 30 * 60_000
    places = ((one.bought * 2 + one.arm) * GROUPS + one.visitor % GROUPS)[counted]
    ends = np.unique(np.geomspace(200, len(places), LOOKS).astype(int))
    counts = np.array([np.bincount(places[:end], minlength=4 * GROUPS) for end in ends], np.float64)
    return _missed(counts.reshape(len(ends), 2, 2, GROUPS), truth.lift)


def late(rate: float, run: int, decisions: int = 4_000) -> bool:
    """The same of an experiment whose decisions are all made in one moment, one a unit, and rewarded over time."""
    chance = np.random.default_rng([12, run])
    arm = chance.integers(0, 2, decisions)
    made = np.bincount(arm * GROUPS + np.arange(decisions) % GROUPS, minlength=2 * GROUPS)
    rewarded = chance.permutation(np.flatnonzero(chance.random(decisions) < rate))
    places = (arm * GROUPS + np.arange(decisions) % GROUPS)[rewarded]
    ends = np.unique(np.geomspace(10, len(places), LOOKS).astype(int))
    counts = [[made, np.bincount(places[:end], minlength=2 * GROUPS)] for end in ends]
    return _missed(np.array(counts, np.float64).reshape(len(ends), 2, 2, GROUPS), 0.0)


def sampled(run: int, lift: float, weighted: bool) -> bool:
    """The same of an experiment whose split follows the rewards by Thompson sampling, each period anew, while the rate
    of all rises fourfold and falls again three times, and units come back in other variants."""
    chance, units, periods, each = np.random.default_rng([13, run]), 1_500, 60, 200
    likes, comes = chance.beta(0.23, 2.1, units), chance.lognormal(0, 1, units)
    counts, looks = np.zeros((2, 2, GROUPS)), []
    known = np.zeros((2, 2))
    for period in range(periods):
        ends = split_ends(chances([Counts(int(known[0, arm]), int(known[1, arm])) for arm in range(2)]))
        part = ends[0] / BUCKETS
        weight = np.array(weights([part, 1 - part])) / BUCKETS if weighted else np.ones(2)
        visitor = chance.choice(units, each, p=comes / comes.sum())
        arm = (chance.random(units) >= part).astype(int)[visitor]
        risen = (2.5 - 1.5 * np.cos(6 * np.pi * period / periods)) / 4
        bought = chance.random(each) < likes[visitor] * risen * np.array([1, 1 + lift])[arm] / (1 + lift)
        for measure, chosen in enumerate((np.ones(each, bool), bought)):
            np.add.at(counts[measure], (arm[chosen], visitor[chosen] % GROUPS), weight[arm[chosen]])
            known[measure] += np.bincount(arm[chosen], minlength=2)
        looks.append(counts.copy())
    return _missed(np.array(looks), lift)


def _missed(counts: Array, lift: float) -> bool:
    """Of counts by look, measure, arm and group."""
    control, variant = (Sums(counts[:, 0, arm], counts[:, 1, arm]) for arm in range(2))
    found = compare(control, variant, ERROR)
    return bool(((found.lift.low > lift) | (found.lift.high < lift)).any())


def main() -> None:
    """Print a line for each case."""
    for name, truth in CASES.items():
        share = np.mean([wrong(truth, run) for run in range(RUNS)])
        sys.stdout.write(f"{name}: {share:.1%} wrong, and {ERROR:.0%} stated\n")
    for rate in (0.1, 0.5, 0.9):
        share = np.mean([late(rate, run) for run in range(RUNS)])
        sys.stdout.write(f"all at once, rewards at a rate of {rate} later: {share:.1%} wrong\n")
    for lift, weighted in ((0.0, True), (0.0, False), (0.3, True), (0.3, False)):
        share = np.mean([sampled(run, lift, weighted) for run in range(RUNS)])
        sys.stdout.write(f"Thompson sampling, lift {lift}, {'with' if weighted else 'no'} weights: {share:.1%} wrong\n")


if __name__ == "__main__":
    main()
