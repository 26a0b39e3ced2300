"""Served features beside the archive's, without I/O: what is equal, how far away the rest is, and what is too much."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.skew.comparison import Compared, Pair, compare, distance, is_equal, stability

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
VALUES = st.none() | st.booleans() | st.text(max_size=3) | st.floats(-1e6, 1e6) | st.integers(-(10**6), 10**6)


def compared(served: Sequence[Any], archive: Sequence[Any], tolerance: float = 0.01) -> Compared:
    rows = zip(served, archive, strict=True)
    pairs = [
        Pair(f"d{place}", NOON + timedelta(seconds=place), {"it": mine}, {"it": other}, {"it": other})
        for place, (mine, other) in enumerate(rows)
    ]
    return compare(pairs, tolerance)[0]


@given(st.lists(VALUES, min_size=1, max_size=30))
def test_what_is_served_as_the_archive_has_it_is_never_skewed(values: list[Any]) -> None:
    found = compared(values, values, tolerance=0.0)
    assert (found.equal, found.skewed, found.worst) == (1.0, False, [])
    assert found.psi == pytest.approx(0, abs=1e-9)
    assert found.ks in (0.0, None)
    assert found.mean in (0.0, None)


def test_a_number_that_is_one_too_high_in_a_tenth_is_found_with_its_worst_examples() -> None:
    archive = list(range(100))
    served = [value + 1 + (value == 50) if value % 10 == 0 else value for value in archive]
    found = compared(served, archive, tolerance=0.05)
    assert (found.equal, found.skewed, found.mean, found.p95) == (0.9, True, 0.11, 1.0)
    assert found.worst[0] == ("d50", (NOON + timedelta(seconds=50)).isoformat(), 52, 50)
    assert not compared(served, archive, tolerance=0.1).skewed


@pytest.mark.parametrize(
    ("served", "before", "then", "equal"),
    [
        (5, 4, 7, True),
        (8, 4, 7, False),
        (7.0000001, 4, 7, True),
        ("a", "a", "b", True),
        ("c", "a", "b", False),
        (None, None, 1, True),
        (0, None, None, False),
        (True, 1, 1, False),
    ],
)
def test_what_was_known_shortly_before_is_equal_too(served: Any, before: Any, then: Any, equal: bool) -> None:
    assert is_equal(served, before, then) is equal


def test_a_feature_that_one_side_lacks_is_another_one() -> None:
    found = compare([Pair("d", NOON, {"a": 1}, {"b": 1}, {"b": 1})], 0.01)
    assert [(item.feature, item.equal) for item in found] == [("a", 0.0), ("b", 0.0)]


def test_distances_are_those_of_their_formulas() -> None:
    assert distance(np.array([1.0, 2.0]), np.array([3.0, 4.0])) == 1.0
    assert distance(np.array([1.0, 2.0, 3.0, 4.0]), np.array([3.0, 4.0, 5.0, 6.0])) == 0.5
    p, q = (2.5 / 4, 1.5 / 4), (1.5 / 4, 2.5 / 4)
    wanted = sum((a - b) * math.log(a / b) for a, b in zip(p, q, strict=True))
    assert stability(["x", "x", "y"], ["x", "y", "y"]) == pytest.approx(wanted)
    numbers = list(np.random.default_rng(1).normal(size=2_000))
    assert stability(numbers[:1_000], numbers[1_000:]) < 0.1 < 0.25 < stability([n + 2 for n in numbers], numbers)
