"""What a model has learned is found, and put into a fresh one it makes the same model; the rest is refused by name."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from river import ensemble, linear_model, naive_bayes, tree

from storage.snapshots.model_filling import NoPlace, fill
from storage.snapshots.model_path import key_of, step_of, tree_of
from storage.snapshots.model_state import NotHeld, state_of
from storage.snapshots.snapshot import Snapshot
from storage.snapshots.value import Numbers
from tests.storage.models import RIVER, Arrays, Own, answers, learn, scaled

features = st.fixed_dictionaries(
    {"a": st.floats(0, 5)}, optional={name: st.floats(0, 5) for name in ("b", "c/d", "~é")}
)
examples = st.lists(st.tuples(features, st.booleans()), min_size=1, max_size=20)
steps = st.lists(st.tuples(st.sampled_from(["x", "y/z", ""]), st.floats(-5, 5)), max_size=12)


def restored(model: Any, make: Callable[[], Any]) -> Any:
    """Another model, from the bytes of what this one has learned."""
    values, as_made = state_of(model, make())
    row = Snapshot(1, values, as_made).to_bytes()
    other = make()
    fill(other, Snapshot.of_bytes(row, "it").values)
    again, still = state_of(other, make())
    assert Snapshot(1, again, still).to_bytes() == row
    return other


@pytest.mark.parametrize("make", RIVER)
@settings(max_examples=25)
@given(examples, examples)
def test_a_restored_model_of_rivers_says_the_same_and_goes_on_learning_the_same(
    make: Callable[[], Any], before: list[Any], after: list[Any]
) -> None:
    model = make()
    for shown, liked in before:
        learn(model, shown, liked)
    other = restored(model, make)
    for shown, liked in after:
        assert answers(other, shown) == answers(model, shown)
        learn(model, shown, liked)
        learn(other, shown, liked)
    assert state_keys(other, make) == state_keys(model, make)


def state_keys(model: Any, make: Callable[[], Any]) -> list[str]:
    return list(state_of(model, make())[0])


@given(steps, steps)
def test_a_class_of_ones_own_is_restored_with_all_that_it_shares(before: Any, after: Any) -> None:
    model = Own()
    for step in before:
        model.learn(*step)
    other = restored(model, Own)
    assert other.says() == model.says()
    assert other.shared is other.matrix
    assert other.first is other.parts[0]
    for step in after:
        model.learn(*step)
        other.learn(*step)
    assert other.says() == model.says()


def test_dictionaries_of_arrays_are_a_model() -> None:
    def make() -> dict[str, Any]:
        return {"weights": np.zeros(3), "bias": 0.0, "layers": [np.zeros((2, 2)), np.zeros(1)]}

    model = make()
    model["weights"] += [1, 2, 3]
    model["bias"] = -0.5
    model["layers"][1][0] = 7
    model["new"] = np.ones(2)
    other = restored(model, make)
    assert str(other) == str(model)
    assert other["weights"].flags.writeable


def test_a_model_that_says_itself_what_it_has_learned_is_asked() -> None:
    model = Arrays()
    model.learn(2.0)
    assert restored(model, Arrays).says() == model.says() == [2.0, 1.0, 4.0]
    assert set(state_of(model, Arrays())[0]) == {"weights", "a~1b"}


def test_numbers_that_nobody_has_learned_are_marked_and_other_values_left_out() -> None:
    model = scaled()
    learn(model, {"a": 1.0}, True)
    values, as_made = state_of(model, scaled())
    assert "steps/LogisticRegression/optimizer/lr/learning_rate" in as_made
    assert "steps/LogisticRegression/_weights" not in as_made
    assert values["steps/StandardScaler/means"] == Numbers({"a": 1.0})
    assert not any("window_size" in path or "_plan" in path for path in values)


class Growing:
    """Takes parts that its factory does not make."""

    def __init__(self) -> None:
        self.parts: dict[str, Any] = {}
        self.items: list[Any] = []
        self.chance: Any = None
        self.pair = (0.0, "x")
        self.table = {"a": 1.0, "b": "text"}


def grown(attribute: str, value: Any) -> Growing:
    model = Growing()
    setattr(model, attribute, value)
    return model


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (grown("parts", {"new": Growing()}), "parts/new is .*Growing where the factory makes nothing"),
        (grown("items", [Growing()]), "items has 1 items"),
        (grown("chance", random.Random(1)), "chance is random.Random where the factory makes None"),
        (grown("chance", np.array(["a"])), "chance is numpy.ndarray of <U1"),
        (grown("chance", {("a", "b"): 1.0}), r"chance is dict where the factory makes None"),
        (grown("parts", {("a", "b"): 1.0}), r"parts has the key \('a', 'b'\)"),
        (grown("pair", (np.zeros(1), "x")), "pair is tuple|pair/0"),
        (grown("pair", [0.0, "x"]), "pair is list where the factory makes tuple"),
        (grown("table", {"a": "x"}), "table has lost 'b'"),
        (grown("chance", open), "nothing is refused"),
    ],
)
def test_a_part_that_could_not_be_made_again_is_refused_by_its_path(model: Growing, words: str) -> None:
    if words == "nothing is refused":
        assert state_of(model, Growing()) == state_of(Growing(), Growing())
        return
    with pytest.raises(NotHeld, match=words):
        state_of(model, Growing())


@pytest.mark.parametrize(
    ("make", "part"),
    [
        (lambda: tree.HoeffdingTreeClassifier(grace_period=5), "_root"),
        (naive_bayes.GaussianNB, "_rng"),
        (lambda: ensemble.BaggingClassifier(linear_model.LogisticRegression(), seed=1), "_rng"),
    ],
)
def test_models_of_rivers_that_cannot_be_held_are_refused_by_the_attribute(make: Callable[[], Any], part: str) -> None:
    model = make()
    for number in range(20):
        learn(model, {"a": number % 3, "b": number % 5}, number % 2 == 0)
    with pytest.raises(NotHeld, match=part):
        state_of(model, make())


def test_parts_that_are_shared_otherwise_than_in_a_fresh_model_are_refused() -> None:
    def make() -> dict[str, Any]:
        return {"one": np.zeros(2), "other": np.zeros(2)}

    model = make()
    model["other"] = model["one"]
    with pytest.raises(NotHeld, match="other is shared"):
        state_of(model, make())


@pytest.mark.parametrize(
    ("values", "path"),
    [
        ({"nowhere/w": 1.0}, "nowhere"),
        ({"parts/new/w": 1.0}, "parts/new"),
        ({"items/0": 1.0}, "items/0"),
        ({"pair/0": 1.0}, "pair/0"),
        ({"chance": Numbers({"a": 1.0})}, "mapping"),
        ({"chance": Numbers({"a": 1.0}, 77)}, "mapping"),
    ],
)
def test_values_without_a_place_in_what_the_factory_makes_are_refused(values: Any, path: str) -> None:
    with pytest.raises(NoPlace, match=path):
        fill(Growing(), values)


@given(st.text() | st.integers() | st.booleans())
def test_a_step_leads_back_to_its_key(key: Any) -> None:
    found = key_of(step_of(key))
    assert (type(found), found) == (type(key), key)
    assert "/" not in step_of(key)


def test_values_by_path_are_a_tree_whose_branches_win() -> None:
    assert tree_of({"a/b": 1, "a/c/d": 2, "e": 3, "a": 4}) == {"a": {"b": 1, "c": {"d": 2}}, "e": 3}
    assert tree_of({"a": 4, "a/b": 1}) == {"a": {"b": 1}}
