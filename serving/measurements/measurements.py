"""Samples the running system once a second: the thin shell of I/O around the computations beside it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Protocol

from serving.measurements.amounts import Amounts
from serving.measurements.counted import Counted
from serving.measurements.endpoints import DeployedFacts, EndpointFacts
from serving.measurements.flow import Flow, flow
from serving.measurements.history import History
from serving.measurements.lift_course import LiftPoint
from serving.measurements.lift_courses import LiftCourses
from serving.measurements.lift_file import LiftFile
from serving.measurements.results import Declared, ExperimentFigures, figures
from serving.measurements.sample import AnswerCounts, Connection, Ends, Sample
from serving.measurements.source import Source
from serving.measurements.topics import DEAD_LETTERS
from storage import Alias, Catalogue, Descriptor, UnitId, UnitState
from storage.event_times import event_times
from streams.retention import Retention
from streams.stops import Stop

PATIENCE = 0.4
"""Seconds that one source may delay a sample."""

LOOK = 5.0
"""Seconds between two looks at the counts by group of units, some thousands for each experiment, and at what was late.
"""


STOPS = 2.0
"""Seconds between two looks at which units stand still."""

KEPT = 30.0
"""Seconds between two looks at how long topics keep their events."""


class Topics(Protocol):
    """Tells where topics end and how long they keep events (streams.Topics). Calls block; they are made in a thread."""

    def names(self) -> Sequence[str]: ...
    def ends(self, names: Sequence[str]) -> Ends: ...
    def retentions(self, names: Sequence[str]) -> Mapping[str, Retention]: ...


class Measurements:
    """Keeps a short history of what is true in topics, storages and endpoints, and answers from it without I/O.

    `run` samples until it is cancelled; `flow` and `experiments` compute from what was sampled. `watched` names topics
    to show even where no storage is written from them yet, in the order to show them in. `answers`, `endpoints` and
    `decisions` are called once a sample, on the event loop, and must not block. `probes` are further servers: each
    returns when its server answered, and is called in a thread every ten seconds. `stops` says which units stand still;
    it is called in a thread, as often as `STOPS`. `kept` is a file that keeps the
    courses of lifts over a restart.

    Attributes:
        deployed: what is known of products that were deployed; called on the event loop.
    """

    def __init__(
        self,
        topics: Topics,
        catalogue: Catalogue,
        answers: Callable[[], Mapping[str, AnswerCounts]],
        endpoints: Callable[[], Sequence[EndpointFacts]],
        experiments: Sequence[Declared] = (),
        watched: Sequence[str] = (),
        probes: Mapping[str, Callable[[], object]] | None = None,
        interval: float = 1.0,
        decisions: Callable[[], Mapping[str, int]] = dict,
        kept: Path | None = None,
        stops: Callable[[], Sequence[Stop]] = tuple,
    ) -> None:
        self._topics = topics
        self._catalogue = catalogue
        self._answers = answers
        self._endpoints = endpoints
        self._experiments = tuple(experiments)
        self._watched = tuple(watched)
        self._interval = interval
        self._decisions = decisions
        self._history = History()
        self._ticked = asyncio.Event()
        self.ended = False
        self.deployed: Callable[[], Sequence[DeployedFacts]] = tuple
        self._flow: Flow | None = None
        self._figures: list[ExperimentFigures] | None = None
        self._amounts = Amounts(catalogue)
        self._names: Source[Sequence[str]] = Source("Topics", partial(asyncio.to_thread, topics.names), every=10.0)
        self._ends = Source("Kafka", self._read_ends)
        self._retentions = Source("Retention", self._read_retentions, every=KEPT)
        counted = Counted(catalogue)
        self._counts = Source("Counts", lambda: counted.totals(self._experiments))
        self._measures = Source("Measures", lambda: counted.measures(self._experiments), every=LOOK, fresh=60.0)
        self._stops = Source("Stops", partial(asyncio.to_thread, stops), every=STOPS, fresh=60.0)
        self._times = Source("Event time", lambda: event_times(catalogue), every=LOOK, fresh=60.0)
        self._looked: object = None
        self._courses, self._file = LiftCourses(), LiftFile(kept)
        self._probes: list[Source[object]] = [
            Source(name, partial(asyncio.to_thread, probe), every=10.0) for name, probe in (probes or {}).items()
        ]

    async def run(self) -> None:
        """Sample once every `interval` seconds until cancelled. A source that fails never ends it."""
        keeping = asyncio.create_task(self._file.keep(self._courses))
        try:
            while True:
                began = time.monotonic()
                await self.sample()
                await asyncio.sleep(max(0.05, self._interval - (time.monotonic() - began)))
        finally:
            closing = [self._amounts.close(), self._names.close(), self._ends.close(), self._counts.close()]
            closing += [self._measures.close(), self._stops.close(), self._times.close(), self._retentions.close()]
            keeping.cancel()
            await asyncio.gather(*closing, *(probe.close() for probe in self._probes), asyncio.wait([keeping]))

    async def sample(self) -> None:
        """Take one sample now and wake everybody who waits for it.

        Positions are read before the ends of the logs: what arrives in between counts as not folded, so that a lag is
        never shown smaller than it is.
        """
        probing = [self._names.refresh(0.0), self._amounts.refresh(), *(probe.refresh(0.0) for probe in self._probes)]
        probing += [self._stops.refresh(0.0), self._times.refresh(0.0)]
        await asyncio.gather(self._catalogue.refresh(PATIENCE), *probing)
        counts = (self._counts.refresh(PATIENCE), self._measures.refresh(PATIENCE))
        await asyncio.gather(self._ends.refresh(PATIENCE), *counts)
        await self._retentions.refresh(0.0)
        now = time.time()
        storages = self._catalogue.storages()
        health = self._catalogue.health().values()
        self._history.add(
            Sample(
                at=now,
                ends=self._ends.current,
                storages=storages if any(one.answered is not None for one in health) else None,
                aliases=self._aliases(storages),
                units=self._units() if any(one.error is None for one in health) else None,
                amounts=self._amounts.known(storages),
                answers=dict(self._answers()),
                variants=self._counts.current,
                connections=[self._ends.connection(now), *self._technologies(), *self._probed(now)],
                decisions=self._decisions(),
                stops=self._stops.current or (),
                event_times=self._times.current or (),
                retentions=self._retentions.current or {},
            )
        )
        self._flow = self._figures = None
        self._note_lifts(now)
        ticked, self._ticked = self._ticked, asyncio.Event()
        ticked.set()

    async def newer(self, than: float | None, timeout: float) -> bool:
        """Wait for a sample newer than the one taken at `than`; False if none came within `timeout` seconds."""
        if self.at == than and not self.ended:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ticked.wait(), timeout)
        return self.at != than

    def end(self) -> None:
        """Let every stream that waits for samples finish, so that the service need not wait for its connections.

        To be called on the event loop when the service begins to stop: a server waits for open responses before it
        ends the lifespan that `run` lives in.
        """
        self.ended = True
        self._ticked.set()

    @property
    def at(self) -> float | None:
        """When the newest sample was taken, in seconds since the epoch; None before the first."""
        newest = self._history.newest
        return newest.at if newest else None

    def flow(self) -> Flow | None:
        """The way from topic to answer at the newest sample; None before the first."""
        if self._flow is None:
            self._flow = flow(self._history, self._endpoints(), self._watched)
        return self._flow

    def watch(self, experiments: Sequence[Declared]) -> None:
        """Measure these experiments from the next sample on."""
        self._experiments, self._figures = tuple(experiments), None

    def watch_topics(self, names: Sequence[str]) -> None:
        """Show these topics from the next sample on, in this order."""
        self._watched = tuple(names)

    def experiments(self) -> list[ExperimentFigures]:
        """What each experiment has shown up to the newest sample."""
        if self._figures is None:
            measures = self._measures.current or {}
            self._figures = [figures(item, self._history, measures.get(item.name)) for item in self._experiments]
        return self._figures

    def course(self, experiment: str, variant: str) -> Sequence[LiftPoint]:
        """How a variant's lift went since this service first looked, oldest first."""
        return self._courses.of(experiment, variant)

    def _note_lifts(self, now: float) -> None:
        looked = self._measures.current
        if looked is self._looked or looked is None:
            return
        self._looked = looked
        self._courses.note(now, self.experiments())

    def _aliases(self, storages: Sequence[Descriptor]) -> Mapping[str, Alias]:
        found = {item.title: self._catalogue.alias(item) for item in storages}
        return {title: alias for title, alias in found.items() if alias is not None}

    def _units(self) -> Mapping[UnitId, UnitState]:
        """Of a unit that writes to several technologies the state that is furthest behind."""
        health, found = self._catalogue.health(), dict[UnitId, UnitState]()
        for title, states in self._catalogue.states().items():
            if health[title.partition("/")[0]].error is None:
                for state in states:
                    found[state.unit] = min(found.get(state.unit, state), state, key=lambda one: one.next or 0)
        return found

    async def _read_ends(self) -> Ends:
        wanted = {*self._watched, *(item.topic for item in self._catalogue.storages() if item.topic)}
        known = self._names.current
        if known is None:
            known = await asyncio.to_thread(self._topics.names)
        dead = {topic + DEAD_LETTERS for topic in wanted}
        return await asyncio.to_thread(self._topics.ends, sorted((wanted | dead) & set(known)))

    async def _read_retentions(self) -> Mapping[str, Retention]:
        names = sorted({topic for topic, _ in self._ends.current or ()})
        return await asyncio.to_thread(self._topics.retentions, names)

    def _technologies(self) -> list[Connection]:
        """The storages' servers."""
        return [
            Connection(name.capitalize(), health.answered, health.milliseconds, health.error)
            for name, health in self._catalogue.health().items()
        ]

    def _probed(self, now: float) -> list[Connection]:
        return [probe.connection(now) for probe in self._probes]
