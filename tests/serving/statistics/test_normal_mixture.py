"""An interval that may be looked at all the time is wrong, ever, as rarely as is said."""

from __future__ import annotations

import math

import numpy as np

from serving.statistics.normal_mixture import multiples


def test_a_random_walk_leaves_the_interval_at_most_as_often_as_stated_however_often_it_is_looked_at() -> None:
    chance = np.random.default_rng(1)
    variances = np.geomspace(10, 1e6, 2_000)
    steps = np.sqrt(np.diff(variances, prepend=0.0))
    walks = np.cumsum(chance.normal(size=(2_000, len(steps))) * steps, axis=1)

    outside = np.abs(walks) > multiples(variances, 0.05) * np.sqrt(variances)

    share = outside.any(axis=1).mean()
    assert 0.02 < share <= 0.05
    assert (np.abs(walks) > 1.96 * np.sqrt(variances)).any(axis=1).mean() > 0.5  # of an interval for one look


def test_it_is_wider_than_an_interval_for_one_look_and_grows_slowly() -> None:
    found = multiples(np.array([0.0, 100.0, 2_500.0, 1e6]), 0.05)

    assert found[0] == math.inf
    assert 1.96 < found[2] < found[3] < 4
    assert found[1] > found[2]
