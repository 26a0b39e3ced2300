"""A unit's model is read once, trained, and written once per commit; readers get one model out of all units'."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from storage import (
    Address,
    FormatRefused,
    Parameters,
    ParametersReader,
    SuspectGeneration,
    WriteRefused,
    to_frame,
)
from storage.formats.ensemble import Ensemble
from storage.snapshots.snapshot import Snapshot
from tests.storage.form_stage import FormStage, ask
from tests.storage.models import learn, logistic, scaled

Weights = dict[str, Any]


def weights() -> Weights:
    return {"w": np.zeros(2), "n": 0}


class Stage(FormStage):
    """A unit on a partition of one's choice."""

    def train(self, form: Parameters[Weights], *steps: float) -> None:
        """Let the model learn some events, then commit."""
        bound = form.bind(self.session)
        for step in steps:
            self.fold()
            bound.value["w"] += step
            bound.value["n"] += 1
        self.commit()


def units(form: Parameters[Any], count: int = 2) -> list[Stage]:
    """Units of one learner over one memory."""
    first = Stage()
    return [first, *(Stage(first.technology, first.reads, partition=number) for number in range(1, count))]


def test_a_row_is_the_units_snapshot_under_its_partition() -> None:
    form = Parameters("like_rate", weights)
    stage = Stage(partition=3)
    bound = form.bind(stage.session)
    stage.fold()
    bound.value["w"] += 1
    writes = stage.commit()
    assert list(writes.puts) == [Address("parameters/like_rate", "3")]
    snapshot = Snapshot.of_bytes(writes.puts[Address("parameters/like_rate", "3")], "it")
    assert snapshot.examples == 1
    assert snapshot.as_made == {"n"}


def test_the_storage_says_how_units_are_merged_and_its_layout() -> None:
    found = Parameters("like_rate", weights, merge="sum").describe("watching", 1, 1, "clicks")
    assert (found.options, found.schema) == ({"merge": "sum", "layout": 1}, None)
    with pytest.raises(FormatRefused, match="'median'"):
        Parameters("like_rate", weights, merge="median")  # type: ignore[arg-type]


def test_a_model_is_read_once_after_a_claim_and_written_once_per_commit() -> None:
    form, stage = Parameters("like_rate", weights), Stage()
    bound = form.bind(stage.session)
    for number in range(5):
        stage.fold()
        bound.value["w"] += number
        assert not stage.session.writes.puts
    assert len(stage.commit().puts) == 1
    assert stage.asked == ["0"]
    assert not stage.commit().puts
    stage.fold()
    assert bound.value["n"] == 0
    assert len(stage.commit().puts) == 1  # it has one example more
    assert stage.asked == ["0"]


def test_a_claimed_unit_goes_on_from_what_was_committed() -> None:
    form, stage = Parameters("like_rate", weights), Stage()
    stage.train(form, 1.0, 2.0)
    bound = form.bind(stage.session)
    stage.fold()
    bound.value["w"] += 100  # never committed
    stage.claim()
    again = form.bind(stage.session)
    stage.fold()
    assert again.value["w"].tolist() == [3.0, 3.0]
    stage.commit()
    assert ask(stage.reader(ParametersReader, form).get())["n"] == 2


def test_a_model_that_nobody_asked_for_is_neither_read_nor_written() -> None:
    form, stage = Parameters("like_rate", weights), Stage()
    form.bind(stage.session)
    stage.fold()
    assert not stage.commit().puts
    assert stage.asked == []


def test_what_a_learner_does_to_a_model_that_it_kept_is_written() -> None:
    form, stage = Parameters("like_rate", weights), Stage()
    bound = form.bind(stage.session)
    stage.fold()
    kept = bound.value
    stage.commit()
    stage.fold()
    kept["w"] += 5
    assert stage.commit().puts


def test_a_topic_without_a_key_has_units_all_the_same() -> None:
    form, stage = Parameters("like_rate", weights), Stage()
    stage.session.key_field = None
    stage.train(form, 1.0)
    assert ask(stage.reader(ParametersReader, form).get())["w"].tolist() == [1.0, 1.0]


def test_a_declaration_has_no_model() -> None:
    with pytest.raises(FormatRefused, match="is a declaration"):
        _ = Parameters("like_rate", weights).value


def test_a_model_that_cannot_be_held_is_refused_at_the_first_commit_by_its_part() -> None:
    form, stage = Parameters("like_rate", weights), Stage()
    bound = form.bind(stage.session)
    stage.fold()
    bound.value["part"] = object()
    with pytest.raises(WriteRefused, match=r"parameters/like_rate cannot hold dict: part is object .*`load"):
        stage.commit()


def test_a_model_is_refused_where_its_factory_has_changed() -> None:
    stage = Stage()
    stage.train(Parameters("like_rate", weights), 1.0)
    stage.claim()
    changed = Parameters("like_rate", lambda: Arrayless()).bind(stage.session)
    stage.fold()
    with pytest.raises(FormatRefused, match="new version of its learner"):
        _ = changed.value


class Arrayless:
    """A model without attributes to fill."""

    __slots__ = ()


@pytest.mark.parametrize("row", [b"MRPS", b"\x80\x04\x95 no pickle is ever read"])
def test_a_row_that_somebody_else_wrote_is_suspect(row: bytes) -> None:
    form, stage = Parameters("like_rate", weights), Stage()
    stage.session.writes.puts[Address("parameters/like_rate", "0")] = row
    stage.commit()
    stage.claim()
    bound = form.bind(stage.session)
    stage.fold()
    with pytest.raises(SuspectGeneration, match="of unit 0"):
        _ = bound.value
    with pytest.raises(SuspectGeneration, match="of unit 0"):
        ask(stage.reader(ParametersReader, form).get())


def test_an_average_is_weighted_by_the_events_at_which_the_model_was_asked_for() -> None:
    form = Parameters("like_rate", weights)
    one, other = units(form)
    one.train(form, 1.0, 1.0, 1.0)
    other.train(form, 7.0)
    found = ask(one.reader(ParametersReader, form).get())
    assert found["w"].tolist() == [(3 * 3.0 + 7.0) / 4] * 2
    assert found["n"] == (3 * 3 + 1) / 4


def test_a_batch_counts_as_all_its_events() -> None:
    form = Parameters("like_rate", weights)
    one, other = units(form)
    one.session.begin(tuple, 3)
    form.bind(one.session).value["w"] += 3
    one.commit()
    other.train(form, 7.0)
    assert ask(one.reader(ParametersReader, form).get())["w"].tolist() == [4.0, 4.0]


def test_a_sum_adds_units_and_a_factory_gives_a_model() -> None:
    form = Parameters("like_rate", weights, merge="sum")
    one, other = units(form)
    one.train(form, 1.0, 1.0)
    other.train(form, 7.0)
    reader = one.reader(ParametersReader, form)
    model = ask(reader.get(weights))
    assert (model["w"].tolist(), model["n"]) == ([9.0, 9.0], 3)
    assert ask(reader.making(weights).get())["n"] == 3


def test_an_ensemble_asks_each_units_model() -> None:
    form = Parameters("like_rate", logistic, merge="ensemble")
    models = [logistic(), logistic()]
    for stage, model, liked in zip(units(form, 3), models, (True, False), strict=False):
        bound = form.bind(stage.session)
        for _ in range(4):
            stage.fold()
            learn(bound.value, {"a": 1.0}, liked)
            learn(model, {"a": 1.0}, liked)
        stage.commit()
    reader = stage.reader(ParametersReader, form)
    found = ask(reader.get(logistic))
    assert isinstance(found, Ensemble)
    assert len(found.models) == 2
    wanted = sum(model.predict_proba_one({"a": 1.0})[True] for model in models) / 2
    assert found.predict_proba_one({"a": 1.0})[True] == pytest.approx(wanted)
    with pytest.raises(FormatRefused, match="name the factory"):
        ask(reader.get())


def test_where_nothing_was_learned_there_is_a_fresh_model_and_no_value() -> None:
    form = Parameters("like_rate", scaled)
    reader = Stage().reader(ParametersReader, form)
    assert ask(reader.get()) == {}
    assert ask(reader.get(scaled)).predict_proba_one({"a": 1.0}) == scaled().predict_proba_one({"a": 1.0})
    ensemble = Parameters("rates", logistic, merge="ensemble")
    assert ask(Stage().reader(ParametersReader, ensemble).get(logistic)).predict_proba_one({"a": 1.0})[True] == 0.5


def test_a_model_is_made_again_only_when_a_row_has_changed() -> None:
    form = Parameters("like_rate", weights)
    one, other = units(form)
    one.train(form, 1.0)
    reader = one.reader(ParametersReader, form)
    first = ask(reader.get(weights))
    assert ask(reader.get(weights)) is first
    other.train(form, 7.0)
    second = ask(reader.get(weights))
    assert second is not first
    assert second["w"].tolist() == [4.0, 4.0]
    assert ask(reader.get(weights)) is second


def test_what_is_read_cannot_be_changed() -> None:
    form = Parameters("like_rate", scaled)
    one, other = units(form)
    for stage in (one, other):
        stage.fold()
        learn(form.bind(stage.session).value, {"a": 1.0 + len(stage.asked)}, True)
        stage.commit()
    found = ask(one.reader(ParametersReader, form).get())
    with pytest.raises(TypeError):
        found["new"] = 1
    with pytest.raises(TypeError):
        found["steps/LogisticRegression/_weights"]["a"] = 1
    plain = Parameters("plain", weights)
    one.train(plain, 1.0)
    read = ask(one.reader(ParametersReader, plain).get())["w"]
    with pytest.raises(ValueError, match="read-only"):
        read += 1


def test_a_frame_has_a_row_for_each_number_of_each_unit() -> None:
    form = Parameters("like_rate", weights)
    one, other = units(form)
    one.train(form, 1.0, 2.0)
    other.train(form, 7.0)
    assert to_frame(form, one.technology, one.describe(form)).rows() == [
        (0, "w/0", 3.0),
        (0, "w/1", 3.0),
        (0, "n", 2.0),
        (1, "w/0", 7.0),
        (1, "w/1", 7.0),
        (1, "n", 1.0),
    ]
