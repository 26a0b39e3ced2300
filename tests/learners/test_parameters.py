"""A model that is trained event by event is the same by replay and in a live unit, whatever becomes of its commits."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from river import linear_model, optim, preprocessing, tree

from learners import EventLearner, Replay, stream
from learners.checks import check
from learners.unit import State
from storage import (
    Address,
    Descriptor,
    Memory,
    MemoryReads,
    Parameters,
    ParametersReader,
    Writes,
    items_of,
    to_frame,
)
from storage.reader import Located
from streams import Batch
from tests.learners.conftest import MakeUnit, Stage, folded
from tests.learners.samples import EVENT_TYPES, Log, Rating, Unlucky, once, ratings


def like_model() -> Any:
    """Weights of films and of the hour, their features scaled as they come."""
    return preprocessing.StandardScaler() | linear_model.LogisticRegression(optim.Adam(0.05))


def features(event: Rating) -> dict[str, float]:
    return {event.item: 1.0, "hour": float(event.at.hour), "user": float(event.user[1:])}


class LikeRate(EventLearner[Rating]):
    """Probability that a viewer likes a film, one event at a time, with a River model."""

    ratings = stream("ratings")
    model = Parameters("like_rate", factory=like_model)

    def learn(self, event: Rating) -> None:
        self.model.value.learn_one(features(event), event.stars >= 4)


class Ordered(LikeRate):
    """One model over all events."""

    ratings = stream("ratings", order="total")
    model = Parameters("ordered", factory=like_model)


class Weighted(LikeRate):
    """A model that is a dictionary, learned from every other event only."""

    model = Parameters("weighted", factory=lambda: {"weights": {}, "bias": 0.0}, merge="sum")

    def learn(self, event: Rating) -> None:
        if event.stars % 2:
            weights = self.model.value["weights"]
            weights[event.item] = weights.get(event.item, 0.0) + event.stars / 7
            self.model.value["bias"] += 1.0


def plainly(frame: pl.DataFrame) -> Any:
    """The model by a plain loop over the events."""
    model = like_model()
    for event in Rating.event_type.events(frame):
        model.learn_one(features(event), event.stars >= 4)  # type: ignore[arg-type, attr-defined]
    return model


def described(learner: type[Any] = LikeRate) -> Descriptor:
    return learner.model.describe(learner.name, learner.version, learner.version, "ratings")  # type: ignore[no-any-return]


def read(memory: Memory, learner: type[Any] = LikeRate) -> Any:
    """The model as an endpoint gets it."""
    located = Located(MemoryReads(memory), described(learner))
    return asyncio.run(ParametersReader(lambda: located).get(like_model))


def rows(memory: Memory, learner: type[Any] = LikeRate) -> dict[str, Mapping[str, Any]]:
    descriptor = described(learner)
    return {
        address.key: items_of(descriptor, address.key, row)
        for address, row in memory.dump(descriptor)
        if isinstance(row, bytes)
    }


def batch(count: int, first: int = 0) -> Batch:
    return Batch.of(ratings(first + count)[first:], "ratings", 0, first)


def test_a_replay_gives_what_a_plain_loop_over_the_events_gives() -> None:
    replay = Replay([LikeRate], EVENT_TYPES)
    replay.fold("ratings", ratings(300))
    assert said(read(replay.memory)) == said(plainly(ratings(300)))
    assert LikeRate.replay(ratings(300), 1, EVENT_TYPES)["like_rate"].equals(replay.frames()["like_rate"])


def said(model: Any) -> list[dict[bool, float]]:
    return [model.predict_proba_one(features(event)) for event in Rating.event_type.events(ratings(20))]  # type: ignore[arg-type]


def test_one_model_over_all_events_is_one_unit_whatever_the_partitions() -> None:
    frame = Ordered.replay(ratings(200), 4, EVENT_TYPES)["ordered"]
    assert frame["unit"].unique().to_list() == [0]
    replay = Replay([Ordered], EVENT_TYPES, partitions=4)
    for event in Rating.event_type.events(ratings(200)):
        replay.fold("ratings", [event])
    assert said(read(replay.memory, Ordered)) == said(plainly(ratings(200)))


def test_each_partition_trains_its_own_and_readers_get_their_mean() -> None:
    replay = Replay([LikeRate], EVENT_TYPES, partitions=3)
    replay.fold("ratings", ratings(300))
    found = rows(replay.memory)
    assert sum(unit["(examples)"] for unit in found.values()) == 300
    assert len(found) > 1
    path = "steps/LogisticRegression/intercept"
    mean = sum(unit[path] * unit["(examples)"] for unit in found.values()) / 300
    assert read(replay.memory)["LogisticRegression"].intercept == pytest.approx(mean)


@pytest.mark.parametrize("learner", [LikeRate, Ordered, Weighted])
def test_the_contract_holds_for_models(learner: type[Any]) -> None:
    found = check(learner, ratings(400), EVENT_TYPES)
    assert len(found) == 5
    assert [item.problem for item in found if item.problem] == []


def test_only_events_at_which_the_model_was_asked_for_are_its_examples() -> None:
    replay = Replay([Weighted], EVENT_TYPES)
    replay.fold("ratings", ratings(100))
    [unit] = rows(replay.memory, Weighted).values()
    assert unit["(examples)"] == unit["bias"] == ratings(100).filter(pl.col("stars") % 2 == 1).height


@settings(max_examples=20)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=6), st.lists(st.booleans(), min_size=6, max_size=6))
def test_where_batches_end_and_units_change_hands_makes_no_difference(sizes: list[int], restarts: list[bool]) -> None:
    replay, done = Replay([LikeRate], EVENT_TYPES, partitions=2), 0
    for size, restart in zip(sizes, restarts, strict=False):
        replay.fold("ratings", ratings(done + size)[done:])
        done += size
        if restart:
            replay.restart()
    whole = Replay([LikeRate], EVENT_TYPES, partitions=2)
    whole.fold("ratings", ratings(done))
    assert replay.rows() == whole.rows()


@pytest.mark.parametrize("fate", [[], ["lost"], ["late", "ok", "stolen"], ["ok", "stolen", "late", "lost", "stolen"]])
def test_a_live_partition_learns_what_a_replay_learns(make_stage: Any, fate: list[str]) -> None:
    memory = Unlucky(fate)
    stage: Stage = make_stage(Log(ratings(500)), memory, [LikeRate])
    stage.run(count=37)
    replay = Replay([LikeRate], EVENT_TYPES)
    replay.fold("ratings", ratings(500))
    assert rows(memory) == rows(replay.memory)
    assert said(read(memory)) == said(plainly(ratings(500)))


def test_a_commit_has_one_row_for_the_model(make_unit: MakeUnit) -> None:
    memory = Unlucky()
    unit = make_unit(memory, LikeRate)
    unit.claim()
    folded(unit, batch(1_000))
    unit.drain()
    assert unit.committed == 1_000
    assert {written for _, _, written in memory.sent} == {1}
    assert len(memory.sent) < 50


def test_the_events_before_one_that_raises_are_learned(make_unit: MakeUnit) -> None:
    class Picky(LikeRate):
        model = Parameters("picky", factory=like_model)
        learn = once({"i3": 6}, LikeRate.learn)

    failing = next(offset for offset, item in enumerate(ratings(2_000)["item"]) if item == "i3")
    unit = make_unit(memory := Memory(), Picky)
    for _ in range(6):
        unit.claim()
        folded(unit, batch(300))
        assert unit.state is State.WAITING
    unit.claim()
    assert unit.position == failing
    folded(unit, batch(300))
    unit.drain()
    assert said(read(memory, Picky)) == said(plainly(ratings(300)))


class Tree(LikeRate):
    """A model whose nodes its factory does not make."""

    model = Parameters("tree", factory=lambda: tree.HoeffdingTreeClassifier(grace_period=10))


def test_a_model_that_cannot_be_held_is_never_committed_and_its_part_is_named(
    make_unit: MakeUnit, caplog: pytest.LogCaptureFixture
) -> None:
    unit = make_unit(memory := Memory(), Tree)
    unit.claim()
    unit.advance(batch(50))
    unit.drain()
    assert unit.state is State.WAITING
    assert unit.problem is not None
    assert "parameters/tree cannot hold HoeffdingTreeClassifier: _root is" in unit.problem
    assert rows(memory, Tree) == {}


def test_a_row_that_was_changed_stops_the_unit(make_unit: MakeUnit, caplog: pytest.LogCaptureFixture) -> None:
    memory = Memory()
    unit = make_unit(memory, LikeRate)
    claim = memory.claim(unit.id, "somebody else")
    broken = Writes(puts={Address("parameters/like_rate", "0"): b"MRPS broken"})
    memory.commit(claim, None, 5, broken, None)
    unit.claim()
    with caplog.at_level(logging.ERROR):
        unit.advance(batch(50))
    assert unit.state is State.STOPPED
    assert unit.problem is not None
    assert "parameters/like_rate of unit 0" in unit.problem


def test_the_frame_shows_every_number_of_every_unit() -> None:
    replay = Replay([Weighted], EVENT_TYPES, partitions=2)
    replay.fold("ratings", ratings(50))
    frame = to_frame(Weighted.model, replay.memory, described(Weighted))
    assert frame.columns == ["unit", "path", "value"]
    assert set(frame["path"]) >= {"bias", "weights/i0"}
