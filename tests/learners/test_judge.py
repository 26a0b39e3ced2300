"""A learner is judged by what it says of each event before it learns it, and cannot see what it is asked."""

from __future__ import annotations

import math
from typing import Any, cast

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from learners import EventLearner, FrameLearner, LearnerRefused, Replay, stream
from learners.score import Score
from storage import Counters, Parameters
from streams import Batch
from tests.learners.samples import EVENT_TYPES, Rating, ratings


class Share:
    """How many of the events so far were a yes."""

    def __init__(self) -> None:
        self.yes, self.all = np.zeros(1), np.zeros(1)


class Likes(EventLearner[Rating]):
    """Says the share of likes so far."""

    truth = "stars >= 4"
    share = Parameters("share", factory=Share, merge="sum")

    def predict(self, event: Rating) -> float:
        share = self.share.value
        return float((share.yes[0] + 1) / (share.all[0] + 2))

    def learn(self, event: Rating) -> None:
        self.share.value.yes += event.stars >= 4
        self.share.value.all += 1


class Peeking(Likes):
    """Says what it sees of the outcome, which is planted in its event."""

    name = "likes"

    def predict(self, event: Rating) -> float | None:  # type: ignore[override]
        return None if event.stars is None else float(event.stars >= 4)


class Stars(FrameLearner):
    """Says of every event the mean of those before its batch."""

    truth = "stars"
    ratings = stream("ratings", key="user")
    counts = Counters("stars_given")

    def __init__(self) -> None:
        self.given: list[int] = []

    def predict(self, batch: Batch) -> Any:
        assert batch.frame["stars"].null_count() == batch.rows
        mean = sum(self.given) / len(self.given) if self.given else None
        return [mean] * batch.rows

    def learn(self, batch: Batch) -> None:
        self.given += batch.frame["stars"].to_list()
        self.counts.add(batch.frame, key="user")


def judged(learner: type[Any], frame: pl.DataFrame, partitions: int = 1, at_once: int = 10) -> tuple[Replay, Score]:
    replay = Replay([learner], EVENT_TYPES, partitions, judged=[learner.name])
    for start in range(0, frame.height, at_once):
        replay.fold("ratings", frame[start : start + at_once])
    return replay, replay.judges[learner.name].score


def test_each_event_is_predicted_by_what_was_learned_before_it() -> None:
    frame = ratings(300)
    _, score = judged(Likes, frame)

    likes, loss = 0, 0.0
    for number, like in enumerate((frame["stars"] >= 4).to_list()):
        said = (likes + 1) / (number + 2)
        loss -= math.log(said if like else 1 - said)
        likes += like
    assert score.predictions == 300
    assert score.figures()["log loss"] == pytest.approx(loss / 300)
    assert score.figures()["share"] == pytest.approx(likes / 300)


def test_an_outcome_that_is_in_the_event_is_hidden_from_who_predicts_it() -> None:
    _, score = judged(Peeking, ratings(100))

    assert score.predictions == 0


def test_a_frame_learner_predicts_all_of_a_batch_before_it_learns_any_of_it() -> None:
    frame = ratings(40)
    _, score = judged(Stars, frame, at_once=10)

    stars = frame["stars"].to_list()
    errors = [abs(stars[at] - sum(stars[: at // 10 * 10]) / (at // 10 * 10)) for at in range(10, 40)]
    assert score.predictions == 30
    assert score.figures()["mean absolute error"] == pytest.approx(sum(errors) / 30)


def test_who_is_judged_learns_the_same_rows_as_who_is_not() -> None:
    frame = ratings(200)
    alone = Replay([Likes], EVENT_TYPES, 3)
    for start in range(0, 200, 10):
        alone.fold("ratings", frame[start : start + 10])

    replay, _ = judged(Likes, frame, 3)

    assert replay.rows() == alone.rows()


class NotATruth(Likes):
    """Its truth is no field's."""

    name = "likes"
    truth = "liked"


def test_who_cannot_be_judged_is_told_why() -> None:
    with pytest.raises(LearnerRefused, match="says nothing that could be judged"):
        Replay([type("Mute", (Likes,), {"truth": ""})], EVENT_TYPES, judged=["mute"])
    with pytest.raises(LearnerRefused, match="'liked', which fails"):
        Replay([NotATruth], EVENT_TYPES, judged=["likes"])
    said = cast(Any, type("Says", (Stars,), {"predict": lambda self, batch: [1.0]}))
    with pytest.raises(Exception, match="predicts 1 times for 10 events"):
        judged(said, ratings(10))


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 999)), min_size=1, max_size=60))
def test_the_area_is_the_share_of_pairs_in_the_right_order(events: list[tuple[bool, int]]) -> None:
    score = Score(binary=True)
    for place, (truth, said) in enumerate(events):
        score.add(place, np.array([float(truth)]), np.array([said / 999]))

    pairs = [(yes, no) for truth, yes in events if truth for other, no in events if not other]
    area = score.figures()["AUC"]
    if not pairs:
        assert math.isnan(area)
    else:
        assert area == pytest.approx(sum((yes > no) + (yes == no) / 2 for yes, no in pairs) / len(pairs))


def test_where_a_model_has_run_away_its_curve_has_no_point() -> None:
    score = Score(binary=False)
    for step, predicted in enumerate([1.5, math.inf, 2.5]):
        score.add(step, np.array([1.0, 1.0]), np.array([1.0, predicted]))
    assert score.curve() == [(2, 0.25), (6, 0.75)]
    assert score.figures()["mean absolute error"] == math.inf
