"""What every learner promises, tried on events at hand: `millrace check`."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from learners.declaration import Contract
from learners.replay import Replay
from learners.rows import Rows, difference
from schemas import EventType

PARTITIONS = 2
CUTS = 25


@dataclass(frozen=True)
class Check:
    """One promise, tried.

    Attributes:
        problem: what was found against it; None = the promise held.
    """

    learner: str
    promise: str
    problem: str | None = None


def check(learner: type[Contract], frame: pl.DataFrame, event_types: Mapping[str, EventType]) -> list[Check]:
    """Try a learner's promises on a frame of its topic's events, in order of time. Takes a few folds of the frame."""
    trial = _Trial(learner, frame, event_types)
    promises: dict[str, Callable[[], Rows]] = {
        "the same events give the same rows": trial.whole,
        "where a batch ends makes no difference": trial.cut,
        "nothing is lost when memory is dropped between batches": trial.restarted,
        "an empty batch changes nothing": trial.with_empty_batches,
    }
    try:
        expected = trial.whole()
    except Exception as error:
        return [Check(learner.name, "the events can be learned", _text(error))]
    return [Check(learner.name, "the events can be learned"), *_try(learner.name, promises, expected)]


def _try(learner: str, promises: Mapping[str, Callable[[], Rows]], expected: Rows) -> Iterator[Check]:
    for promise, rows in promises.items():
        try:
            yield Check(learner, promise, difference(expected, rows()))
        except Exception as error:
            yield Check(learner, promise, _text(error))


@dataclass(frozen=True)
class _Trial:
    learner: type[Contract]
    frame: pl.DataFrame
    event_types: Mapping[str, EventType]

    def whole(self) -> Rows:
        replay, topic = self._replay()
        replay.fold_frame(topic, self.frame)
        return replay.rows()

    def cut(self) -> Rows:
        chance = random.Random(7)

        def cuts(rows: int) -> Sequence[int]:
            return sorted(chance.sample(range(rows + 1), min(rows, CUTS)))

        replay, topic = self._replay()
        replay.fold_frame(topic, self.frame, cuts)
        return replay.rows()

    def restarted(self) -> Rows:
        replay, topic = self._replay()
        step = max(1, math.ceil(self.frame.height / CUTS))
        for start in range(0, self.frame.height, step):
            replay.fold_frame(topic, self.frame[start : start + step])
            replay.restart()
        return replay.rows()

    def with_empty_batches(self) -> Rows:
        replay, topic = self._replay()
        replay.fold_frame(topic, self.frame[:0])
        replay.fold_frame(topic, self.frame, lambda rows: [rows // 2, rows // 2, rows])
        return replay.rows()

    def _replay(self) -> tuple[Replay, str]:
        replay = Replay([self.learner], self.event_types, PARTITIONS)
        return replay, replay.topics[0]


def _text(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
