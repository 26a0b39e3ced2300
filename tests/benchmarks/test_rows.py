"""The proof's comparison finds what was lost and what was counted twice: a check that cannot fail proves nothing."""

from __future__ import annotations

import polars as pl

from benchmarks.prove_loop.rows import Difference, compare_counts, compare_decayed, compare_histories


def test_equal_rows_differ_in_nothing() -> None:
    rows = {("a", "b"): 3.0}
    assert compare_counts(rows, rows) == compare_decayed(rows, rows) == Difference(0, 0, 1)


def test_what_is_missing_or_too_much_is_counted() -> None:
    assert compare_counts({("a", "b"): 3}, {("a", "b"): 1}) == Difference(2, 0, 1)
    assert compare_counts({("a", "b"): 3}, {("a", "b"): 4, ("a", "c"): 1}) == Difference(0, 2, 1)
    assert compare_counts({("a", "b"): 3}, {}) == Difference(3, 0, 1)


def test_decayed_sums_may_differ_by_rounding_only() -> None:
    assert compare_decayed({("a", "b"): 1.0}, {("a", "b"): 1.0 + 1e-12}) == Difference(0, 0, 1)
    assert compare_decayed({("a", "b"): 1.0}, {("a", "b"): 1.0 + 1e-8}) == Difference(0, 1, 1)
    assert compare_decayed({("a", "b"): 1.0}, {}) == Difference(1, 0, 1)


def test_a_history_counts_by_item_and_by_order() -> None:
    def frame(items: list[str], stars: list[int]) -> pl.DataFrame:
        return pl.DataFrame({"user": ["u"], "items": [items], "stars": [stars]})

    wanted = {"u": {"a": 5, "b": 4}}
    assert compare_histories(wanted, frame(["a", "b"], [5, 4])) == Difference(0, 0, 1)
    assert compare_histories(wanted, frame(["a"], [5])) == Difference(1, 0, 1)
    assert compare_histories(wanted, frame(["b", "a"], [4, 5])) == Difference(1, 0, 1)
    assert compare_histories(wanted, frame(["a", "b", "b"], [5, 4, 4])) == Difference(0, 1, 1)
