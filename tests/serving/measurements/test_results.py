from dataclasses import replace

import numpy as np
import pytest

from serving.measurements import VariantCounts
from serving.measurements.experiment_counts import VariantMeasures
from serving.measurements.results import figures
from tests.serving.console.stage import Declared
from tests.serving.measurements.samples import T0, history, sample


def test_the_rate_is_rewards_per_decision_and_the_split_is_compared_with_the_plan() -> None:
    made = history(
        sample(0, variants={"liked_more": {"popular_now": VariantCounts(290, 20), "personal": VariantCounts(90, 19)}}),
        sample(1, variants={"liked_more": {"popular_now": VariantCounts(300, 30), "personal": VariantCounts(100, 20)}}),
    )

    found = figures(Declared(), made)

    popular, personal = found.variants
    assert (popular.decisions, popular.rewards, popular.rate, popular.share) == (300, 30, 0.1, 0.75)
    assert (personal.rate, personal.planned, personal.pace) == (0.2, 0.5, 10)
    assert personal.course == pytest.approx((19 / 90, 0.2))
    assert (found.decisions, found.counted) == (400, T0 + 1)


def test_no_decisions_are_zero_and_have_no_rate() -> None:
    made = history(sample(0, variants={"liked_more": {"personal": VariantCounts(0, 0)}}))

    found = figures(Declared(), made)

    assert [(item.decisions, item.rate, item.share) for item in found.variants] == [(0, None, None), (0, None, None)]


def test_decisions_that_nobody_counts_are_unknown_and_not_zero() -> None:
    found = figures(Declared(), history(sample(0, variants={})))

    assert found.decisions is None
    assert [item.decisions for item in found.variants] == [None, None]


def test_rewards_that_nobody_counts_are_unknown_beside_decisions_that_are_counted() -> None:
    made = history(sample(0, variants={"liked_more": {"personal": VariantCounts(7, None)}}))

    personal = figures(Declared(), made).variants[1]

    assert (personal.decisions, personal.rewards, personal.rate) == (7, None, None)


def test_a_lift_is_told_when_its_range_excludes_zero() -> None:
    found = figures(Declared(), history(), measures(popular_now=0.10, personal=0.16))

    popular, personal = found.variants
    assert popular.lift is None
    assert personal.lift is not None
    assert personal.lift.sign == 1
    assert personal.lift.lift is not None
    low, high = personal.lift.lift.low, personal.lift.lift.high
    assert low is not None
    assert high is not None
    assert 0 < low < personal.lift.lift.estimate < high
    assert (personal.units, popular.units) == (5_000, 5_000)
    assert personal.fallbacks == 0.0
    assert (personal.median, personal.p99) == (10.0, 100.0)


def test_several_variants_share_the_error_so_that_the_experiment_keeps_it() -> None:
    rates = {"popular_now": 0.1, "personal": 0.1, "newest": 0.1}
    three = Declared(split=dict.fromkeys(rates, 1))

    alone = figures(Declared(), history(), measures(popular_now=0.1, personal=0.1)).variants[1].lift
    together = figures(three, history(), measures(**rates)).variants[1].lift

    assert alone is not None
    assert together is not None
    assert (alone.difference.reach or 0) < (together.difference.reach or 0)


def test_a_split_that_is_not_as_planned_is_told_and_one_that_has_changed_is_not_judged() -> None:
    fair, lost, changed = (measures(popular_now=0.1, personal=0.1) for _ in range(3))
    lost["personal"] = replace(lost["personal"], units={5000: 4_500})
    changed["personal"] = replace(changed["personal"], units={5000: 2_500, 7000: 2_000})

    assert not figures(Declared(), history(), fair).split_off
    assert figures(Declared(), history(), lost).split_off
    assert figures(Declared(), history(), changed).split_evidence is None


def test_more_fallbacks_than_the_control_are_told() -> None:
    found = measures(popular_now=0.1, personal=0.1)
    found["personal"] = replace(found["personal"], fallbacks=np.arange(512, dtype=np.float64) % 7)

    more = figures(Declared(), history(), found).variants[1].more_fallbacks

    assert more is not None
    assert more.lift is None
    assert more.sign == 1


def measures(**rates: float) -> dict[str, VariantMeasures]:
    """What is counted of variants with these rates: 100 decisions of each group of units, 10 to 100 ms each."""
    chance = np.random.default_rng(1)
    decisions = np.full(512, 100.0)
    return {
        name: VariantMeasures(
            decisions,
            np.zeros(512),
            chance.binomial(100, rate, 512).astype(float),
            {10: 45_000, 20: 6_200},
            {5000 if len(rates) == 2 else 3333: 5_000},
        )
        for name, rate in rates.items()
    }
