"""What an experiment may be called, and how it may split."""

from __future__ import annotations

import pytest

from schemas.errors import MillraceError
from serving import Experiment, ExperimentRefused


def test_an_experiment_says_what_it_splits() -> None:
    found = Experiment("recommend", "recommend", {"a": 50, "b": 50}, "click")
    assert list(found.split) == ["a", "b"]


@pytest.mark.parametrize(
    ("name", "split", "message"),
    [
        ("first.one", {"a": 1}, "'first.one' cannot be the name"),
        ("first", {"a b": 1}, "'a b' cannot be the name"),
        ("", {"a": 1}, "'' cannot be the name"),
        ("first", {}, "there is no variant"),
        ("first", {"a": 0, "b": 1}, "a has the part 0"),
        ("first", {"a": -1, "b": 1}, "a has the part -1"),
        ("first", {"a": 0.5, "b": 0.5}, "a has the part 0.5"),
        ("first", {"a": 1, "b": 100_000}, "less than one unit in 10,000"),
    ],
)
def test_a_declaration_that_cannot_run_is_refused(name: str, split: dict[str, int], message: str) -> None:
    with pytest.raises(ExperimentRefused, match=message) as caught:
        Experiment(name, "recommend", split, "click")
    assert isinstance(caught.value, MillraceError)
    assert isinstance(caught.value, ValueError)
