"""A thousand experiments without a difference, looked at after every event, and some with a known one, at every 20th.

The events go through the learners that count for an experiment's page, and every look is the page's own computation.
`python -m benchmarks.prove_models experiments` runs it alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.prove_models.visitors import ARMS, WINDOW_MS, Purchase, Truth, Visits
from benchmarks.report import say
from learners import DecisionCounts, Goal, Replay, goal_learner
from schemas import GROUPS, Decision
from serving.statistics.comparison import Sums, compare
from storage.writes import Writes

ERROR = 0.05
"""What is stated: in so many of a hundred experiments, at most, is any look, ever, wrong."""
WITHOUT = Truth()
WITH = Truth(lift=0.2, events=10_000, apart=20)
RUNS = {WITHOUT: 1000, WITH: 300}
PROCESSES = 2
_GOAL = goal_learner(
    Goal("bought", Purchase.event_type.topic, window=timedelta(milliseconds=WINDOW_MS)), Purchase.event_type
)
_TYPES = {kind.topic: kind for kind in (Decision.event_type, Purchase.event_type)}


def measure(folder: Path) -> dict[str, float | None]:
    """Return how often there was a false alarm, how often the true lift was covered at every look, and what is stated
    of both."""
    parts = [(truth, runs // PROCESSES, number) for truth, runs in RUNS.items() for number in range(PROCESSES)]
    with ProcessPoolExecutor(PROCESSES, get_context("spawn")) as pool:
        found = list(pool.map(look, *zip(*parts, strict=True)))
    seen = {truth: Seen.all_of([one for one in found if one.truth == truth]) for truth in RUNS}
    for truth, one in seen.items():
        say(
            f"{truth}: {len(one.alarmed)} experiments of {truth.events} events, {one.looks:,} looks with an interval; "
            f"{one.alarmed.mean():.1%} alarmed, {one.covered.mean():.1%} covered, final lift +-{one.reach:.0%}"
        )
    return {
        "aa_false_alarm": float(seen[WITHOUT].alarmed.mean()),
        "aa_stated": ERROR,
        "ab_coverage": float(seen[WITH].covered.mean()),
        "ab_stated": 1 - ERROR,
    }


@dataclass(frozen=True)
class Seen:
    """What the looks at some experiments have shown.

    Attributes:
        alarmed: whether any look at an experiment said that there is a difference.
        covered: whether every look's interval held the true lift.
        looks: how many had an interval.
        reach: half the width of the last look's interval of the lift, in the median experiment.
    """

    truth: Truth
    alarmed: NDArray[np.bool_]
    covered: NDArray[np.bool_]
    looks: int
    reach: float

    @classmethod
    def all_of(cls, parts: Sequence[Seen]) -> Seen:
        """Parts of one truth together."""
        return cls(
            parts[0].truth,
            np.concatenate([one.alarmed for one in parts]),
            np.concatenate([one.covered for one in parts]),
            sum(one.looks for one in parts),
            max(one.reach for one in parts),
        )


def look(truth: Truth, runs: int, seed: int) -> Seen:
    """Fold experiments, and look at each of them as often as is said."""
    visits = Visits(truth, runs, [seed, truth.lift > 0])
    counted = _Counted(runs)
    replay = Replay([DecisionCounts, _GOAL], _TYPES)
    commit = replay.memory.commit

    def noted(claim, expected, new, writes, watermark_ms):  # type: ignore[no-untyped-def]
        counted.note(writes)
        return commit(claim, expected, new, writes, watermark_ms)

    replay.memory.commit = noted  # type: ignore[method-assign]
    alarmed, covered, looks = np.zeros(runs, bool), np.ones(runs, bool), 0
    for number in range(0, truth.events, truth.apart):
        decisions, purchases = visits.step(number, number + truth.apart)
        replay.fold("decisions", decisions)
        replay.fold("purchases", purchases)
        seen = compare(*counted.sums(), ERROR)
        alarmed |= (seen.difference.low > 0) | (seen.difference.high < 0)
        covered &= ~((seen.lift.low > truth.lift) | (seen.lift.high < truth.lift))
        looks += int(np.isfinite(seen.difference.high).sum())
    counted.must_equal(replay)
    return Seen(truth, alarmed, covered, looks, float(np.median(seen.lift.high - seen.lift.low) / 2))


class _Counted:
    """The learners' counts as arrays, kept from what they commit; in the end they must be what is stored."""

    def __init__(self, runs: int) -> None:
        self._decisions, self._rewards = np.zeros((2, 2, runs, GROUPS))

    def note(self, writes: Writes) -> None:
        for address, fields in writes.sums.items():
            _add(self._decisions, self._rewards, address.storage, address.key, fields)

    def sums(self) -> tuple[Sums, Sums]:
        control, variant = (Sums(self._decisions[arm], self._rewards[arm]) for arm in range(2))
        return control, variant

    def must_equal(self, replay: Replay) -> None:
        stored = np.zeros((2, *self._decisions.shape))
        for (storage, key, _), fields in replay.rows().items():
            _add(*stored, storage, key, fields)
        if not (np.array_equal(stored[0], self._decisions) and np.array_equal(stored[1], self._rewards)):
            raise RuntimeError("What was committed is not what is stored.")


def _add(decisions, rewards, storage, key, fields) -> None:  # type: ignore[no-untyped-def]
    run, _, measure = key.partition(".")
    if storage == "counters/experiment_measures" and measure == "decisions":
        counts = decisions
    elif storage == "counters/experiment_rewards_bought_groups":
        counts = rewards
    else:
        return
    for field, amount in fields.items():
        arm, group = field.split(".")
        counts[ARMS.index(arm), int(run.removeprefix("run")), int(group)] += amount
