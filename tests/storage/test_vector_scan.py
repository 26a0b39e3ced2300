"""The scan finds what a plain sort of all similarities finds, and decides ties by key."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.formats import vector_scan
from storage.formats.vector_row import row_of
from storage.formats.vector_scan import nearest
from storage.options import METRICS

numbers = st.lists(st.integers(-3, 3), min_size=3, max_size=3).filter(any)
"""Few different vectors, so that many are tied."""


def plainly(one: list[int], other: list[int], metric: str) -> float:
    if metric == "euclidean":
        return -math.dist(one, other)
    dot = float(sum(a * b for a, b in zip(one, other, strict=True)))
    return dot if metric == "dot" else dot / math.hypot(*one) / math.hypot(*other)


@pytest.mark.parametrize("metric", METRICS)
@given(st.lists(numbers, max_size=30), numbers, st.integers(0, 12), st.integers(1, 7))
def test_a_scan_gives_the_most_similar_best_first_whatever_its_chunks(
    metric: str, vectors: list[list[int]], wanted: list[int], size: int, chunk: int
) -> None:
    rows = [(f"k{place * 7 % 31}", row_of(vector, 3, metric)) for place, vector in enumerate(vectors)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vector_scan, "CHUNK", chunk)
        found = nearest(rows, row_of(wanted, 3, metric), size, metric)
    similarities = [plainly(vector, wanted, metric) for vector in vectors]
    assert [value for _, value in found] == pytest.approx(sorted(similarities, reverse=True)[:size], abs=1e-12)
    by_key = dict(zip((key for key, _ in rows), similarities, strict=True))
    assert all(value == pytest.approx(by_key[key], abs=1e-12) for key, value in found)
    assert found == sorted(found, key=lambda scored: (-scored[1], scored[0]))


def test_equal_vectors_are_tied_whatever_stands_beside_them_and_the_key_decides() -> None:
    chance = np.random.default_rng(1)
    matrix = chance.normal(size=(999, 67))
    matrix[[3, 500, 998]] = matrix[0]
    keys = [f"k{999 - place:03}" for place in range(999)]
    rows = [(key, row_of(vector, 67, "cosine")) for key, vector in zip(keys, matrix, strict=True)]
    found = nearest(rows, rows[0][1], 2, "cosine")
    assert [key for key, _ in found] == [keys[998], keys[500]]
    assert found[0][1] == found[1][1] == pytest.approx(1.0)


def test_nothing_is_nearest_where_nothing_is_asked_for_or_there() -> None:
    assert nearest([], row_of([1], 1, "dot"), 3, "dot") == []
    assert nearest([("a", row_of([1], 1, "dot"))], row_of([1], 1, "dot"), 0, "dot") == []


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("size", [1, 2, 9])
def test_what_is_no_vector_is_near_nothing_and_hides_no_other(metric: str, size: int) -> None:
    good = {"a": row_of([1, 0], 2, metric), "b": row_of([1, 2], 2, metric)}
    wrong = {"cut": b"abc", "long": b"\0" * 12, "nan": np.array([math.nan, 1], "<f4").tobytes()}
    found = nearest([*wrong.items(), *good.items(), *wrong.items()], row_of([2, 0], 2, metric), size, metric)
    assert found == nearest(good.items(), row_of([2, 0], 2, metric), size, metric)
