"""The proof of the experiments' statistics in small: through the attribution code, and with what it would find."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.prove_models.experiments import look
from benchmarks.prove_models.visitors import Course, Truth, course
from serving.statistics.comparison import Sums, compare
from serving.statistics.normal_mixture import Array


def test_what_is_looked_at_after_every_event_is_what_the_learners_have_stored() -> None:
    seen = look(Truth(events=250), 12, 1)

    assert seen.looks > 0
    assert not seen.alarmed.any()
    assert seen.covered.all()


def test_a_known_lift_is_found_and_its_range_is_right() -> None:
    seen = look(Truth(lift=0.8, correlation=0.02, events=6_000, apart=600), 6, 2)

    assert seen.covered.all()
    assert seen.alarmed.any()


def test_without_units_the_same_visitors_would_raise_many_false_alarms() -> None:
    courses = [course(Truth(events=4_000), np.random.default_rng([3, number])) for number in range(60)]

    assert sum(_alarmed(one, one.visitor) for one in courses) <= 2
    assert sum(_alarmed(one, one.decision) for one in courses) >= 6


def _alarmed(of: Course, by: NDArray[np.int64]) -> bool:
    """Whether one look at the end tells a difference, with the variance over visitors, or wrongly over decisions."""

    def counted(arm: int, bought: bool) -> Array:
        chosen = (of.arm == arm) & (of.bought == bought)
        return np.bincount(by[chosen] % 512, minlength=512).astype(np.float64)

    control, variant = (Sums(counted(arm, False), counted(arm, True)) for arm in range(2))
    found = compare(control, variant, 0.05).difference
    return bool(found.low > 0 or found.high < 0)
