"""Several experiments on one endpoint type: who answers for which unit."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.assignment import Range, assign, takes_part
from serving.experiment import Experiment
from serving.experiments.definition import Definition, Drawn
from serving.traffic import Traffic


def running(name: str, ranges: list[Range], split: dict[str, int]) -> tuple[Definition, Drawn, list[str]]:
    item = Definition.of(Experiment(name, "recommend", split, "click", layer="front"), "running")
    item = msgspec.structs.replace(item, ranges=tuple(ranges))
    return item, item.drawn(0.0), [f"{name}.{variant}" for variant in split]


FIRST = running("first", [(9000, 10_000), (0, 1000)], {"a": 1, "b": 1})
SECOND = running("second", [(2000, 4000)], {"c": 1})


@settings(max_examples=50)
@given(st.text(max_size=30))
def test_a_unit_is_answered_by_the_experiment_that_owns_its_bucket(unit: str) -> None:
    found = Traffic("ordinary", [FIRST, SECOND]).of(unit)
    wanted = "ordinary"
    for item, _, _ in (FIRST, SECOND):
        if takes_part("front", unit, item.ranges):
            wanted = f"{item.name}.{assign(item.name, unit, item.split)[0]}"
    assert found == wanted


def test_without_experiments_everybody_gets_the_ordinary_answer() -> None:
    traffic: Traffic[str] = Traffic("ordinary", [])
    assert {traffic.of(f"u{number}") for number in range(100)} == {"ordinary"} == set(traffic.everybody)


def test_an_experiment_that_owns_the_whole_layer_has_everybody() -> None:
    traffic = Traffic("ordinary", [running("first", [(0, 10_000)], {"a": 1, "b": 1})])
    assert {traffic.of(f"u{number}") for number in range(100)} == {"first.a", "first.b"} == set(traffic.everybody)


def test_an_experiment_whose_ranges_are_the_whole_layer_in_pieces_has_everybody_too() -> None:
    traffic = Traffic("ordinary", [running("first", [(5000, 10_000), (0, 5000)], {"a": 1})])
    assert {traffic.of(f"u{number}") for number in range(100)} == {"first.a"}
