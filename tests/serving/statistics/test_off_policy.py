"""Estimates of another policy from logged decisions: right on average, with intervals that hold the truth."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.prove_models.off_policy import held
from serving.statistics.off_policy import Logged, doubly_robust, ips, snips
from serving.statistics.support import support

LOGGED = Logged(np.array([1.0, 0.0, 1.0, 0.0]), np.array([2.0, 2.0, 0.0, 1.0]))


def test_the_estimators_are_those_of_their_papers() -> None:
    predicted, expected = np.array([0.5, 0.25, 0.5, 0.0]), np.array([0.5, 0.5, 0.25, 0.25])

    assert ips(LOGGED).value == pytest.approx(2 / 4)
    assert snips(LOGGED).value == pytest.approx(2 / 5)
    assert doubly_robust(LOGGED, predicted, expected).value == pytest.approx((1.5 + (2 * 0.5 - 2 * 0.25)) / 4)


def test_a_model_that_is_always_right_needs_no_luck() -> None:
    found = doubly_robust(LOGGED, LOGGED.rewards, np.full(4, 0.3))

    assert (found.value, found.low, found.high) == pytest.approx((0.3, 0.3, 0.3))


def test_decisions_of_one_unit_are_one_observation() -> None:
    chance = np.random.default_rng(1)
    rewards, weights = (chance.random(500) < 0.3).astype(float), chance.choice([0.0, 2.0], 500)

    once = ips(Logged(rewards, weights))
    tenfold = ips(Logged(np.repeat(rewards, 10), np.repeat(weights, 10), np.repeat(np.arange(500), 10)))

    assert (tenfold.value, tenfold.low, tenfold.high) == pytest.approx((once.value, once.low, once.high))


def test_a_log_that_speaks_of_something_else_has_no_estimate() -> None:
    found = snips(Logged(np.ones(3), np.zeros(3)))

    assert math.isnan(found.value)
    assert (found.low, found.high) == (-math.inf, math.inf)


def test_intervals_hold_a_known_truth() -> None:
    found = np.array([held(number, 30_000) for number in range(60)])

    assert found.all(axis=1).mean() >= 0.9  # of 600 such logs it is 0.97


def test_a_log_that_supports_an_answer_has_no_problem() -> None:
    weights = np.random.default_rng(2).choice([0.0, 2.0], 4_000)

    found = support(Logged(np.zeros(4_000), weights, np.arange(4_000) // 4))

    assert (found.decisions, found.units, found.problems) == (4_000, 1_000, [])
    assert found.effective == pytest.approx(800, rel=0.05)  # 1,000 units: weights of 4 decisions have a mean of 1


@pytest.mark.parametrize(
    ("weights", "problem"),
    [
        (np.array([1.0] * 50), "rests on 50 of 50 units"),
        (np.array([0.0, 1.0] * 2_000), "50% of what it would answer was never answered"),
        (np.array([2.0] * 2_000), "weights are 100% too large"),
        (np.array([200.0] + [0.0] * 199), "rests on 1 of 200 units"),
        (np.zeros(0), "rests on 0 of 0 units"),
    ],
)
def test_a_log_that_does_not_says_why(weights: np.ndarray[tuple[int], np.dtype[np.float64]], problem: str) -> None:
    assert any(problem in line for line in support(Logged(np.zeros(len(weights)), weights)).problems)
