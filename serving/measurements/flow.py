"""The way from topic to answer as measured: topics, learners, storages, endpoints, each with what passes and how far
behind it is. No I/O: computed from a History and from what the service serves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from serving.measurements import endpoints, topics
from serving.measurements.endpoints import EndpointFacts, EndpointFigures
from serving.measurements.history import History
from serving.measurements.sample import Connection, Ends, Partition
from serving.measurements.storages import LearnerFigures, StorageFigures, learner_figures, storage_figures
from serving.measurements.topics import TopicFigures
from serving.measurements.units import UnitFigures
from storage.event_times import UnitTime
from streams.stops import Stop


@dataclass(frozen=True, slots=True)
class Flow:
    """Everything at `at`. `ends_at` and `positions_at` say how old topics and positions are; None = never read.

    `storages` are the versions that are read by their name or written by a learner, `superseded` all others.
    `decisions` are the decision log's counts, `dropped` is how many of them were lost within the last minute. `stops`
    are the units that stand still, as too many events were bad, `event_times` watermarks and late events."""

    at: float
    ends_at: float | None
    positions_at: float | None
    ends: Ends
    topics: tuple[TopicFigures, ...]
    learners: tuple[LearnerFigures, ...]
    storages: tuple[StorageFigures, ...]
    superseded: tuple[StorageFigures, ...]
    endpoints: tuple[EndpointFigures, ...]
    connections: tuple[Connection, ...]
    decisions: Mapping[str, int] = field(default_factory=dict)
    dropped: int = 0
    stops: tuple[Stop, ...] = ()
    event_times: tuple[UnitTime, ...] = ()

    @property
    def units(self) -> list[UnitFigures]:
        """Every unit, the one furthest behind first; among equals by name."""
        found = [unit for learner in self.learners for unit in learner.units]
        return sorted(found, key=lambda unit: (-(unit.behind.seconds if unit.behind else 0.0), unit.title))

    def title(self, unit: UnitFigures) -> str:
        """A unit's name, with its learner's version where two of them run."""
        learner = unit.unit.learner
        if sum(item.name == learner for item in self.learners) == 1:
            return unit.title
        return f"{learner}@{unit.unit.version}/{unit.unit.partition}"

    @property
    def unusual(self) -> list[UnitFigures]:
        """The units that somebody should look at, the furthest behind first."""
        return [unit for unit in self.units if unit.condition.unusual]


def flow(history: History, facts: Sequence[EndpointFacts], order: Sequence[str] = ()) -> Flow | None:
    """Compute the whole picture; None before the first sample. `order` names topics in the order to show them in."""
    newest = history.newest
    if newest is None:
        return None
    ends = history.last(lambda sample: sample.ends)
    positions = history.last(lambda sample: sample.units)
    storages = storage_figures(history, facts)
    current = tuple(item for item in storages if item.current)
    place = {topic: index for index, topic in enumerate(order)}
    return Flow(
        at=newest.at,
        ends_at=ends.at if ends else None,
        positions_at=positions.at if positions else None,
        ends=(ends.ends or {}) if ends else {},
        topics=tuple(sorted(topics.figures(history), key=lambda topic: place.get(topic.name, len(place)))),
        learners=tuple(sorted(learner_figures(current), key=lambda item: place.get(item.topic, len(place)))),
        storages=current,
        superseded=tuple(item for item in storages if not item.current),
        endpoints=tuple(endpoints.figures(item, history) for item in facts),
        connections=tuple(newest.connections),
        decisions=newest.decisions,
        dropped=_dropped(history),
        stops=tuple(newest.stops),
        event_times=tuple(newest.event_times),
    )


def _dropped(history: History) -> int:
    window = history.over(endpoints.WINDOW)
    if window is None:
        return 0
    before, after = (sample.decisions.get("dropped", 0) for sample in window)
    return after - before


@dataclass(frozen=True, slots=True)
class Passage:
    """How far one learner is with one event: `folded`, it is past it (it may also have refused it, or left it out as
    late); or how many events it must fold first."""

    learner: LearnerFigures
    folded: bool
    first: int
    unit: UnitFigures


@dataclass(frozen=True, slots=True)
class Found:
    """One event by its position: whether its log holds it, and what each learner of its topic did with it."""

    partition: Partition
    offset: int
    state: str
    passages: tuple[Passage, ...]


def find(flow: Flow, topic: str, partition: int, offset: int) -> Found:
    """Follow the event at a position through the learners. `state`: "held", "not yet", "gone", "no such partition"."""
    ends = flow.ends.get((topic, partition))
    if ends is None:
        return Found((topic, partition), offset, "no such partition", ())
    low, high = ends
    state = "gone" if offset < low else "not yet" if offset >= high else "held"
    passages = tuple(
        Passage(learner, (unit.position or 0) > offset, max(0, offset - max(low, unit.position or 0)), unit)
        for learner in flow.learners
        for unit in learner.units
        if (unit.unit.topic, unit.unit.partition) == (topic, partition)
    )
    return Found((topic, partition), offset, state, passages if state != "not yet" else ())
