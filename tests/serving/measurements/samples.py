"""Builds samples and histories for the tests of what is computed from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from serving.measurements import AnswerCounts, History, Sample, VariantCounts
from storage import Descriptor, UnitId, UnitState

T0 = 1_800_000_000.0
"""When the first sample of a test is taken, in seconds since the epoch."""


def unit(learner: str = "co_watched", topic: str = "ratings", partition: int = 0, version: int = 1) -> UnitId:
    return UnitId(learner, version, 1, topic, partition)


def state(which: UnitId, position: int | None, committed: float | None = T0) -> UnitState:
    milliseconds = None if committed is None else round(committed * 1000)
    return UnitState(which, 1, position, milliseconds, milliseconds)


def storage(name: str, writer: str = "co_watched@1", topic: str = "ratings", version: int = 1) -> Descriptor:
    return Descriptor("memory", "ranking", name, version, writer, 1, topic, {}, None, "2026-11-24T08:00:00Z")


def sample(
    seconds: float = 0.0,
    highs: Mapping[str, int] | None = None,
    states: Sequence[UnitState] | None = None,
    storages: Sequence[Descriptor] | None = None,
    answers: Mapping[str, AnswerCounts] | None = None,
    variants: Mapping[str, Mapping[str, VariantCounts]] | None = None,
) -> Sample:
    """A sample `seconds` after T0; `highs` gives the high end of partition 0 of each topic (None: Kafka was away)."""
    return Sample(
        at=T0 + seconds,
        ends=None if highs is None else {(topic, 0): (0, high) for topic, high in highs.items()},
        storages=storages,
        units=None if states is None else {item.unit: item for item in states},
        answers=answers or {},
        variants=variants,
    )


def history(*samples: Sample) -> History:
    made = History()
    for item in samples:
        made.add(item)
    return made
