"""A split that is not as planned is found, and one that is raises no alarm, at whatever moment one looks."""

from __future__ import annotations

import math

import numpy as np
import pytest

from serving.statistics.allocation import STRENGTH, evidence, is_off


def test_the_evidence_is_the_mixture_over_all_splits() -> None:
    units, planned = [7, 12], [0.5, 0.5]
    shares = (np.arange(200_000) + 0.5) / 200_000
    prior = STRENGTH / 2 - 1
    weight = np.exp(prior * np.log(shares) + prior * np.log1p(-shares))
    likelihood = np.exp(7 * np.log(shares / 0.5) + 12 * np.log((1 - shares) / 0.5))

    assert evidence(units, planned) == pytest.approx(math.log((weight * likelihood).sum() / weight.sum()), abs=1e-6)
    assert evidence([0, 0], planned) == pytest.approx(0.0)


def test_a_right_split_rarely_raises_the_alarm_though_it_is_looked_at_after_every_unit() -> None:
    chance = np.random.default_rng(2)
    alarms = 0
    for _ in range(100):
        arrived = np.cumsum(chance.random(1_000) < 0.3)
        looks = ((int(one), number - int(one)) for number, one in enumerate(arrived, 1))
        alarms += any(evidence(counts, [0.3, 0.7]) >= math.log(20) for counts in looks)
    assert alarms <= 5


def test_a_split_that_loses_a_part_of_one_variant_is_found() -> None:
    assert is_off([50_000, 48_500], [0.5, 0.5])
    assert not is_off([50_000, 49_900], [0.5, 0.5])
    assert is_off([10_000, 10_000, 9_200], [1 / 3, 1 / 3, 1 / 3])
