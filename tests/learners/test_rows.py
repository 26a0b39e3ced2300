"""Two folds' rows are compared exactly, but for the order of summation."""

from __future__ import annotations

import pytest

from learners.rows import Rows, difference
from tests.learners.samples import ItemCounts, ratings

ONE: Rows = {("ranking/r", "all", 3): {"a": 0.1 + 0.2, "b": 2.0}, ("records/h", "u", None): {"x": 0.3}}


def changed(place: tuple[str, str, int | None], **items: object) -> Rows:
    return {**ONE, place: {**ONE[place], **items}}


def test_the_same_rows_differ_in_nothing() -> None:
    assert difference(ONE, dict(ONE)) is None


def test_scores_may_differ_by_the_order_of_summation() -> None:
    assert difference(ONE, changed(("ranking/r", "all", 3), a=0.3)) is None


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (changed(("ranking/r", "all", 3), b=3.0), "ranking/r of 'all': 'b' is 3.0 instead of 2.0"),
        (changed(("ranking/r", "all", 3), a=0.31), "ranking/r of 'all': 'a' is 0.31 instead of"),
        (changed(("records/h", "u", None), x=0.1 + 0.2), "records/h of 'u': 'x' is 0.30000000000000004 instead of 0.3"),
        ({}, "ranking/r of 'all': 'a' is None instead of 0.3"),
    ],
)
def test_anything_else_is_a_difference_in_words(found: Rows, said: str) -> None:
    assert said in str(difference(ONE, found))


def test_large_integers_must_be_equal_to_the_last_digit() -> None:
    place = ("ranking/r", "all", None)
    assert difference({place: {"a": 1e12}}, {place: {"a": 1e12 + 1}}) is not None


def test_a_long_list_is_cut_and_counted() -> None:
    many: Rows = {("counters/c", str(number), None): {"n": number + 1} for number in range(10)}
    assert str(difference(many, {})).endswith("(and 7 more)")


def test_a_frame_learner_is_replayed_with_the_event_types_of_its_module() -> None:
    assert ItemCounts.replay(ratings(50))["item_counts"]["value"].sum() == 50
