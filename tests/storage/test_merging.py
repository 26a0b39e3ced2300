"""One model out of several: the mean weighted by examples, the sum, or their common answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage import FormatRefused
from storage.formats.ensemble import Ensemble
from storage.snapshots.merging import merged
from storage.snapshots.snapshot import Snapshot
from storage.snapshots.value import Numbers, Value

weights = st.dictionaries(st.sampled_from("abcd"), st.floats(-10, 10))
units = st.lists(st.tuples(st.integers(1, 100), weights), min_size=2, max_size=5)


def snapshots(*values: Any, examples: Sequence[int] = (), as_made: Sequence[str] = ()) -> list[Snapshot]:
    counts = examples or [1] * len(values)
    return [Snapshot(n, {"w": value}, frozenset(as_made)) for n, value in zip(counts, values, strict=True)]


@given(units)
def test_weights_are_averaged_by_examples_and_a_missing_key_counts_as_zero(units: list[tuple[int, Any]]) -> None:
    found = merged([Snapshot(n, {"w": Numbers(numbers)}) for n, numbers in units], "average", "it")["w"]
    total = sum(n for n, _ in units)
    expected = {key: sum(n * numbers.get(key, 0.0) for n, numbers in units) / total for _, w in units for key in w}
    numbers = [numbers for _, numbers in units]
    assert isinstance(found, Numbers)
    assert found.by_key == pytest.approx(expected, rel=1e-9, abs=1e-12)
    if all(each == numbers[0] for each in numbers):
        assert found.by_key == numbers[0]


@given(units)
def test_sums_add_what_every_unit_has(units: list[tuple[int, Any]]) -> None:
    found = merged([Snapshot(n, {"w": Numbers(numbers)}) for n, numbers in units], "sum", "it")["w"]
    assert isinstance(found, Numbers)
    expected = {key: sum(numbers.get(key, 0.0) for _, numbers in units) for _, w in units for key in w}
    assert found.by_key == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_arrays_and_numbers_are_averaged_by_examples() -> None:
    one, other = np.array([1.0, 2.0], np.float32), np.array([5.0, 2.0], np.float32)
    found = merged(snapshots(one, other, examples=[3, 1]), "average", "it")["w"]
    assert isinstance(found, np.ndarray)
    assert (found.dtype.str, found.tolist()) == ("<f4", [2.0, 2.0])
    assert merged(snapshots(1.0, 5.0, examples=[3, 1]), "average", "it") == {"w": 2.0}
    assert merged(snapshots(2, 3, examples=[1, 1]), "average", "it") == {"w": 2.5}
    assert merged(snapshots(2.0, 4.0, examples=[0, 0]), "average", "it") == {"w": 3.0}


def test_sums_of_integers_are_integers() -> None:
    assert repr(merged(snapshots(2**60, 3), "sum", "it")["w"]) == repr(2**60 + 3)
    found = merged(snapshots(np.array([1, 2]), np.array([3, 4])), "sum", "it")["w"]
    assert isinstance(found, np.ndarray)
    assert (found.dtype.str, found.tolist()) == ("<i8", [4, 6])
    counts = merged(snapshots(Numbers({"a": 1}), Numbers({"a": 2, "b": 3})), "sum", "it")["w"]
    assert repr(counts) == repr(Numbers({"a": 3, "b": 3}))


def test_what_is_equal_everywhere_stays_to_the_last_bit_and_in_a_sum_only_if_nobody_learned_it() -> None:
    assert merged(snapshots(0.1, 0.1, 0.1, examples=[3, 7, 9]), "average", "it") == {"w": 0.1}
    assert merged(snapshots(0.1, 0.1, as_made=["w"]), "sum", "it") == {"w": 0.1}
    assert merged(snapshots(0.1, 0.1), "sum", "it") == {"w": 0.2}


def test_of_what_has_no_mean_the_unit_with_the_most_examples_decides() -> None:
    assert merged(snapshots("a", "b", None, examples=[1, 5, 2]), "average", "it") == {"w": "b"}
    assert merged(snapshots([1, 2], [3], examples=[5, 5]), "sum", "it") == {"w": [1, 2]}


def test_a_value_that_only_some_units_have_is_averaged_over_those() -> None:
    found = merged([Snapshot(1, {"a": 1.0}), Snapshot(3, {"a": 5.0, "b": 2.0})], "average", "it")
    assert found == {"a": 4.0, "b": 2.0}


def test_one_unit_is_taken_as_it_is() -> None:
    values: dict[str, Value] = {"w": Numbers({"a": 0.1}), "n": 3}
    assert merged([Snapshot(7, values)], "average", "it") is values


def test_arrays_of_several_shapes_are_refused_by_their_path() -> None:
    with pytest.raises(FormatRefused, match=r'it cannot be merged.* w .*\(1,\), \(2,\).*merge="ensemble"'):
        merged(snapshots(np.zeros(1), np.zeros(2)), "average", "it")


class Says:
    """A model with a fixed answer."""

    def __init__(self, answer: Any, **probabilities: float) -> None:
        self._answer, self._probabilities = answer, probabilities

    def predict_one(self, x: Any) -> Any:
        return self._answer

    def predict_proba_one(self, x: Any) -> dict[str, float]:
        if not self._probabilities:
            raise NotImplementedError
        return self._probabilities


def test_an_ensembles_answer_is_the_mean_of_numbers_or_the_likeliest_label() -> None:
    assert Ensemble([Says(1.0), Says(4)]).predict_one({}) == 2.5
    likely = Ensemble([Says("a", a=0.6, b=0.4), Says("a", a=0.5, b=0.5), Says("b", b=1.0)])
    assert likely.predict_proba_one({}) == pytest.approx({"a": 1.1 / 3, "b": 1.9 / 3})
    assert likely.predict_one({}) == "b"
    assert Ensemble([Says("b"), Says("a"), Says("b")]).predict_one({}) == "b"
    assert Ensemble([Says("b"), Says("a")]).predict_one({}) == "a"
    assert Ensemble([Says(None), Says(None)]).predict_one({}) is None
