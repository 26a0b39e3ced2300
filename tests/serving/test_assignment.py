"""The sticky assignment: published vectors, even shares, and changes that move no more units than they must."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

import pytest

from serving.assignment import BUCKETS, assign, bounds, bucket, propensities, weights

PAGE = Path(__file__).parents[2] / "docs" / "assignment.md"
FIFTY = {"popular_now": 50, "personal": 50}
THIRDS = {"a": 1, "b": 1, "c": 1}


def rows(first: str) -> list[list[str]]:
    """The rows of the table whose first column is named so."""
    table = PAGE.read_text("utf-8").partition(f"| {first} |")[2].partition("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def vectors() -> list[tuple[str, str, int, str, str]]:
    return [(a, b, int(c), d, e) for a, b, c, d, e in rows("salt")]


@pytest.mark.parametrize(("salt", "unit", "number", "fifty", "thirds"), vectors())
def test_the_published_vectors_hold(salt: str, unit: str, number: int, fifty: str, thirds: str) -> None:
    assert bucket(salt, unit) == number
    assert assign(salt, unit, FIFTY) == (fifty, 0.5)
    assert assign(salt, unit, THIRDS)[0] == thirds


@pytest.mark.parametrize(("salt", "unit"), [row[:2] for row in vectors()])
def test_the_description_in_words_gives_the_same_buckets(salt: str, unit: str) -> None:
    digits = hashlib.sha256(salt.encode() + b"\x00" + unit.encode()).hexdigest()[:12]
    assert int(digits, 16) % 10_000 == bucket(salt, unit)


def test_a_unit_keeps_its_variant() -> None:
    assert {assign("recommend", "u1", FIFTY) for _ in range(100)} == {("popular_now", 0.5)}


@pytest.mark.parametrize("salt", ["recommend", "other"])
def test_units_fall_evenly_into_buckets(salt: str) -> None:
    """Chi-square over 100 cells; above 160 has a probability below 1 in 10,000 with 99 degrees of freedom."""
    counts = [0] * 100
    for number in range(100_000):
        counts[bucket(salt, f"user-{number}") // 100] += 1
    assert sum((count - 1000) ** 2 / 1000 for count in counts) < 160


def test_each_variant_gets_its_propensity() -> None:
    split, units = {"a": 10, "b": 30, "c": 60}, 50_000
    counts = dict.fromkeys(split, 0)
    for number in range(units):
        counts[assign("weights", f"user-{number}", split)[0]] += 1
    for name, share in zip(split, propensities(split), strict=True):
        deviation = math.sqrt(units * share * (1 - share))
        assert abs(counts[name] - units * share) < 4 * deviation


def test_assignments_of_two_experiments_are_independent() -> None:
    pairs = [(bucket("one", f"u{number}") < 5000, bucket("two", f"u{number}") < 5000) for number in range(20_000)]
    cells = [pairs.count((first, second)) for first in (True, False) for second in (True, False)]
    assert sum((count - 5000) ** 2 / 5000 for count in cells) < 20


def test_ramping_moves_only_the_units_between_the_bounds() -> None:
    before, after = {"new": 10, "old": 90}, {"new": 25, "old": 75}
    for number in range(5000):
        unit = f"user-{number}"
        moved = assign("ramp", unit, before)[0] != assign("ramp", unit, after)[0]
        assert moved == (1000 <= bucket("ramp", unit) < 2500)


def test_the_ranges_cover_every_bucket_once() -> None:
    for split in (THIRDS, {"a": 7}, {"a": 1, "b": 6, "c": 5, "d": 1}):
        assert bounds(split)[-1] == BUCKETS
        assert math.isclose(sum(propensities(split)), 1.0)


def test_only_the_ratio_of_the_parts_matters() -> None:
    assert bounds({"a": 1, "b": 3}) == bounds({"a": 25, "b": 75})


def test_weights_give_every_variant_the_same_in_every_split_and_little_to_one_that_tells_little() -> None:
    for shares in ([0.5, 0.5], [0.9, 0.1], [0.98, 0.01, 0.01]):
        masses = [share * weight for share, weight in zip(shares, weights(shares), strict=True)]
        assert max(masses) - min(masses) < 0.01 * max(masses)
    assert weights([0.25] * 4) == [10_000] * 4
    assert weights([0.99, 0.01]) == [200, 19_800]
