"""Layers and ramps: published vectors, no unit that moves without need, even shares, independent layers."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.assignment import BUCKETS, LAYER, Range, assign, bucket, free, owned, size, takes_part
from tests.serving.test_assignment import FIFTY, rows

TEN: list[Range] = [(0, 1000)]
THIRTY: list[Range] = [(0, 1000), (4000, 6000)]


def ranges(text: str) -> list[Range]:
    pairs = [part.split("–") for part in text.split()]
    return [(int(start), int(end)) for start, end in pairs]


@pytest.mark.parametrize(("layer", "unit", "number", "ten", "thirty", "variant"), rows("layer"))
def test_the_published_vectors_of_layers_hold(
    layer: str, unit: str, number: str, ten: str, thirty: str, variant: str
) -> None:
    assert bucket(LAYER + layer, unit) == int(number)
    assert takes_part(layer, unit, TEN) == (ten == "yes")
    assert takes_part(layer, unit, THIRTY) == (thirty == "yes")
    assert variant == (assign("first", unit, FIFTY)[0] if thirty == "yes" else "")


@pytest.mark.parametrize(("wanted", "held", "taken", "found"), rows("wanted"))
def test_the_published_vectors_of_buckets_that_are_taken_hold(wanted: str, held: str, taken: str, found: str) -> None:
    assert owned(int(wanted), ranges(held), ranges(taken)) == ranges(found)


@st.composite
def some_ranges(draw: st.DrawFn) -> list[Range]:
    """Ranges that do not touch each other, in any order."""
    ends = sorted(draw(st.sets(st.integers(0, BUCKETS), max_size=10)))
    pairs = list(zip(ends[::2], ends[1::2], strict=False))
    return draw(st.permutations(pairs))


def buckets(found: list[Range]) -> set[int]:
    return {number for start, end in found for number in range(start, end)}


@settings(max_examples=50)
@given(some_ranges(), st.lists(st.integers(1, BUCKETS), min_size=1, max_size=6))
def test_a_ramp_moves_only_the_units_that_it_must(taken: list[Range], steps: list[int]) -> None:
    held: list[Range] = []
    for wanted in steps:
        found = owned(wanted, held, taken)
        now, before, theirs = buckets(found), buckets(held), buckets(taken)
        assert len(now) == size(found) == min(wanted, BUCKETS - len(theirs))
        assert not now & theirs
        assert now >= before if wanted >= len(before) else now <= before, "nobody leaves on the way up, or comes down"
        held = found


@settings(max_examples=50)
@given(some_ranges(), some_ranges(), st.integers(1, BUCKETS))
def test_what_was_held_and_is_still_free_comes_first(held: list[Range], taken: list[Range], wanted: int) -> None:
    found, kept = buckets(owned(wanted, held, taken)), buckets(held) - buckets(taken)
    assert found <= kept or kept <= found


@settings(max_examples=50)
@given(some_ranges())
def test_free_is_what_nobody_owns(taken: list[Range]) -> None:
    assert buckets(free(taken)) == set(range(BUCKETS)) - buckets(taken)


@settings(max_examples=50)
@given(st.text(max_size=20), st.text(max_size=20))
def test_a_unit_has_one_bucket_in_a_layer_and_so_at_most_one_experiment(layer: str, unit: str) -> None:
    shares = [[(start, start + 2000)] for start in range(0, BUCKETS, 2000)]
    assert sum(takes_part(layer, unit, share) for share in shares) == 1


UNITS = [f"user-{number}" for number in range(20_000)]


def chi_square(counts: list[int], expected: float) -> float:
    return sum((count - expected) ** 2 / expected for count in counts)


def test_layers_are_independent_of_each_other_and_of_the_variants() -> None:
    """Chi-square over 50 cells of fixed units; with 49 degrees of freedom 94 has a probability of 1 in 10,000."""
    cells = dict.fromkeys(product(range(5), range(5), FIFTY), 0)
    for unit in UNITS:
        one, two = bucket(LAYER + "recommend", unit) // 2000, bucket(LAYER + "front_page", unit) // 2000
        cells[one, two, assign("recommend", unit, FIFTY)[0]] += 1
    assert chi_square(list(cells.values()), len(UNITS) / 50) < 94


def test_units_fall_evenly_into_the_buckets_of_a_layer() -> None:
    """With 99 degrees of freedom 160 has a probability below 1 in 10,000."""
    counts = [0] * 100
    for unit in UNITS:
        counts[bucket(LAYER + "recommend", unit) // 100] += 1
    assert chi_square(counts, len(UNITS) / 100) < 160


def test_in_every_step_of_a_ramp_the_variants_are_even_and_nobody_has_another_one_than_before() -> None:
    held: list[Range] = []
    before: dict[str, str] = {}
    for percent in (5, 20, 60, 100):
        held = owned(percent * 100, held, [])
        now = {unit: assign("recommend", unit, FIFTY)[0] for unit in UNITS if takes_part("recommend", unit, held)}
        assert now.items() >= before.items()
        halves = [list(now.values()).count(variant) for variant in FIFTY]
        assert chi_square(halves, len(now) / 2) < 15.2, "one degree of freedom, 1 in 10,000"
        before = now
    assert len(before) == len(UNITS)
