"""Two variants are compared by units: what one unit does many times is one observation."""

from __future__ import annotations

import numpy as np
import pytest

from serving.statistics.comparison import Sums, compare
from serving.statistics.normal_mixture import Array, multiples


def sums(seed: int, rate: float = 0.2, groups: int = 512, *more: int) -> Sums:
    chance = np.random.default_rng(seed)
    decisions = chance.poisson(20.0, (*more, groups)).astype(float)
    return Sums(decisions, chance.binomial(decisions.astype(int), rate).astype(float))


def test_the_variance_is_that_of_the_delta_method_where_no_group_is_large() -> None:
    control, variant = sums(1), sums(2)

    found = compare(control, variant, 0.05)

    more = control.decisions.sum() / variant.decisions.sum()
    variance = max(_delta(control), _delta(variant) / more) + max(_delta(variant), _delta(control) * more)
    size = 2 / (1 / control.decisions.sum() + 1 / variant.decisions.sum())
    assert found.variance == pytest.approx(size**2 * variance, rel=0.1)  # the two differ by chance, as groups are few
    margin = multiples(found.variance, 0.05) * np.sqrt(found.variance) / size
    assert found.difference.high - found.difference.estimate == pytest.approx(margin)


def test_a_small_variant_that_happened_to_get_few_rewards_has_no_narrower_range_for_that() -> None:
    control, variant = sums(14), sums(15, 0.2, 512)
    few = Sums(variant.decisions / 10, variant.rewards * (np.arange(512) % 100 == 0))

    found = compare(control, few, 0.05).difference

    alike = np.sqrt(_delta(control) * (1 + control.decisions.sum() / few.decisions.sum()))
    assert found.high - found.estimate > 3 * alike


def _delta(one: Sums) -> float:
    rate = one.rewards.sum() / one.decisions.sum()
    return float(((one.rewards - rate * one.decisions) ** 2).sum() / one.decisions.sum() ** 2)


def test_a_unit_that_does_everything_ten_times_counts_as_one_unit() -> None:
    control, variant = sums(1), sums(2, 0.21)

    once = compare(control, variant, 0.05).difference
    tenfold = compare(_tenfold(control), _tenfold(variant), 0.05).difference

    assert tenfold.estimate == pytest.approx(once.estimate)
    assert tenfold.high - tenfold.low > 0.9 * (once.high - once.low)  # were they ten units, it would be a third


def _tenfold(one: Sums) -> Sums:
    return Sums(10 * one.decisions, 10 * one.rewards)


def test_the_lift_excludes_zero_exactly_where_the_difference_does() -> None:
    control, variant = sums(3, 0.2, 512, 200), sums(4, 0.211, 512, 200)

    found = compare(control, variant, 0.05)

    told = found.difference.low > 0
    assert 0 < told.sum() < 200
    assert (told == (found.lift.low > 0)).all()
    assert ((found.difference.high < 0) == (found.lift.high < 0)).all()


def test_many_at_once_are_what_each_is_alone() -> None:
    control, variant = sums(5, 0.2, 512, 3), sums(6, 0.2, 512, 3)

    together = compare(control, variant, 0.05)

    for number in range(3):
        alone = compare(_alone(control, number), _alone(variant, number), 0.05)
        assert together.lift.high[number] == pytest.approx(alone.lift.high)


def _alone(one: Sums, number: int) -> Sums:
    return Sums(one.decisions[number], one.rewards[number])


def test_units_that_were_in_both_variants_are_no_second_observation() -> None:
    control = sums(7)

    apart = compare(control, sums(8), 0.05).variance
    same = compare(control, Sums(control.decisions, control.rewards), 0.05).variance

    assert same < 1e-9 * apart


@pytest.mark.parametrize("heavy", [0.0, 1e6])
def test_there_is_no_range_before_several_units_carry_it(heavy: float) -> None:
    control, variant = sums(9, 0.2, 4), sums(10, 0.2, 4)
    decisions, rewards = _with(variant.decisions, heavy), _with(variant.rewards, heavy / 2)

    found = compare(control, Sums(decisions, rewards), 0.05)

    assert found.difference.high == np.inf
    assert found.lift.low == -1
    assert found.lift.high == np.inf


def _with(values: Array, first: float) -> Array:
    values = values.copy()
    values[0] += first
    return values


def test_there_is_no_range_without_decisions_and_without_rewards() -> None:
    nothing = Sums(np.zeros(512), np.zeros(512))

    assert compare(nothing, sums(11), 0.05).difference.high == np.inf
    assert compare(Sums(sums(12).decisions, np.zeros(512)), sums(13), 0.05).lift.high == np.inf
