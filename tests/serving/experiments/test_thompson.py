"""The split by Thompson sampling: equal to closed forms, exact to the bucket, without chance."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.experiments.thompson import LEAST, Counts, chances, split_ends


def better(a: Counts, b: Counts) -> float:
    """The probability that b's rate is above a's, as a finite sum (Cook 2005; Miller 2010)."""
    alpha, beta = 1 + a.rewards, 1 + a.decisions - a.rewards
    other, rest = 1 + b.rewards, 1 + b.decisions - b.rewards

    def log_beta(x: float, y: float) -> float:
        return math.lgamma(x) + math.lgamma(y) - math.lgamma(x + y)

    return math.fsum(
        math.exp(log_beta(alpha + i, beta + rest) - math.log(rest + i) - log_beta(1 + i, rest) - log_beta(alpha, beta))
        for i in range(other)
    )


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (Counts(0, 0), Counts(0, 0)),
        (Counts(0, 0), Counts(1, 1)),
        (Counts(10, 3), Counts(12, 9)),
        (Counts(100, 5), Counts(100, 9)),
        (Counts(20_000, 400), Counts(20_000, 460)),
        (Counts(5, 0), Counts(1000, 1)),
        (Counts(1000, 1000), Counts(10, 9)),
        (Counts(40_000, 0), Counts(40_000, 3)),
    ],
)
def test_of_two_variants_the_chance_is_that_of_the_closed_form(a: Counts, b: Counts) -> None:
    first, second = chances([a, b])
    assert math.isclose(second, better(a, b), abs_tol=1e-9)
    assert math.isclose(first + second, 1.0)


def test_of_three_variants_it_is_that_of_a_large_sample() -> None:
    counts, draws = [Counts(50, 10), Counts(60, 15), Counts(500, 105)], 40_000
    chance, best = random.Random(7), [0, 0, 0]
    for _ in range(draws):
        rates = [chance.betavariate(1 + one.rewards, 1 + one.decisions - one.rewards) for one in counts]
        best[rates.index(max(rates))] += 1
    for found, wanted in zip(chances(counts), best, strict=True):
        assert abs(found - wanted / draws) < 4 * math.sqrt(0.25 / draws)


@settings(max_examples=20)
@given(st.lists(st.tuples(st.integers(0, 10**9), st.floats(0, 1)), min_size=2, max_size=6))
def test_chances_add_up_and_do_not_depend_on_the_order(drawn: list[tuple[int, float]]) -> None:
    counts = [Counts(decisions, round(decisions * rate)) for decisions, rate in drawn]
    found = chances(counts)
    assert all(0 <= chance <= 1 + 1e-12 for chance in found)
    assert math.isclose(sum(found), 1.0, abs_tol=1e-9)
    for forwards, backwards in zip(found, reversed(chances(counts[::-1])), strict=True):
        assert math.isclose(forwards, backwards, abs_tol=1e-8)


@pytest.mark.parametrize("counts", [Counts(0, 0), Counts(7, 2), Counts(10**9, 10**7), Counts(10**9, 0)])
def test_equal_variants_have_equal_chances(counts: Counts) -> None:
    for number in (2, 3, 20):
        assert all(math.isclose(chance, 1 / number, abs_tol=1e-9) for chance in chances([counts] * number))


def test_one_variant_is_the_best() -> None:
    assert chances([Counts(5, 1)]) == [1.0]


def test_much_evidence_gives_nearly_everything_to_the_best_and_the_least_to_the_others() -> None:
    ends = split_ends(chances([Counts(10**6, 10_000), Counts(10**6, 20_000), Counts(10**6, 15_000)]))
    assert ends == (LEAST, 10_000 - LEAST, 10_000)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20).filter(lambda found: sum(found) > 0))
def test_buckets_are_shared_without_rest_as_exactly_as_they_can_be(parts: list[float]) -> None:
    shares = [part / sum(parts) for part in parts]
    ends = split_ends(shares)
    sizes = [end - start for start, end in zip((0, *ends), ends, strict=False)]
    assert ends[-1] == sum(sizes) == 10_000
    rest = 10_000 - LEAST * len(shares)
    assert all(abs(size - LEAST - share * rest) < 1 + 1e-6 for size, share in zip(sizes, shares, strict=True))
