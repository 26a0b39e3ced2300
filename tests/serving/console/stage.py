"""A small platform for the console's tests: real storages in memory, and topics whose ends a test sets."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import BaseRoute

from schemas import GROUPS
from serving.access import Access, AuditLog, Gate
from serving.console import ProductPage, console
from serving.measurements import AnswerCounts, EndpointFacts, ImplementationFacts, Measurements
from serving.storages.storages import Storages
from storage import Address, Catalogue, Claim, Counters, Descriptor, Memory, MemoryReads, Ranking, UnitId, Writes
from streams.retention import Retention

EXPERIMENT = "liked_more"


@dataclass(frozen=True)
class Declared:
    """An experiment as a product declares it."""

    name: str = EXPERIMENT
    endpoint: str = "recommend"
    goal: str = "liked"
    period_s: int = 0
    split: dict[str, int] = field(default_factory=lambda: {"popular_now": 50, "personal": 50})


@dataclass(frozen=True)
class Brought:
    """A page as a product brings it."""

    path: str
    title: str
    template: Path
    script: Path | None = None


class SetTopics:
    """Where topics end, as the test says; `away` makes it fail as Kafka does when no broker answers."""

    def __init__(self) -> None:
        self.highs: dict[tuple[str, int], int] = {("ratings", 0): 0}
        self.away = False

    def names(self) -> list[str]:
        return sorted({topic for topic, _ in self.highs})

    def ends(self, names: Sequence[str]) -> dict[tuple[str, int], tuple[int, int]]:
        if self.away:
            raise ConnectionError("no broker answered")
        return {at: (0, high) for at, high in self.highs.items() if at[0] in names}

    def retentions(self, names: Sequence[str]) -> dict[str, Retention]:
        return dict.fromkeys(names, Retention(7 * 86_400_000, -1))


class Stage:
    """Storages, topics and answers that a test moves, measured and shown by the real console.

    Args:
        more: further technologies by name, with both sides.
    """

    def __init__(
        self,
        pages: Sequence[ProductPage] = (),
        experiments: Sequence[Declared] = (Declared(),),
        more: Mapping[str, tuple[Memory, MemoryReads]] | None = None,
    ) -> None:
        self.topics = SetTopics()
        self.memory = Memory()
        self.answers: dict[str, AnswerCounts] = {}
        self.facts: list[EndpointFacts] = []
        self.decisions: dict[str, int] = {}
        self._claims: dict[str, Claim] = {}
        self._positions: dict[str, int | None] = {}
        technologies = {"memory": (self.memory, MemoryReads(self.memory)), **(more or {})}
        self.catalogue = Catalogue({name: reads for name, (_, reads) in technologies.items()})
        writing = {name: technology for name, (technology, _) in technologies.items()}
        self.storages = Storages(self.catalogue, writing, self.look)
        self.measurements = Measurements(
            self.topics,
            self.catalogue,
            lambda: self.answers,
            lambda: self.facts,
            experiments,
            watched=["ratings", "items", "decisions"],
            interval=0.1,
            decisions=lambda: self.decisions,
        )
        self.routes: list[BaseRoute] = console(self.measurements, pages, self.storages)

    async def look(self) -> None:
        """Somebody has changed storages."""
        await self.measurements.sample()

    def learner(
        self, name: str, position: int | None = 1000, topic: str = "ratings", counters: str = "", version: int = 1
    ) -> Descriptor:
        """Create the storage of a learner (a ranking of its name, or `counters`) and commit its first position."""
        form = Counters(counters, technology="memory") if counters else Ranking(name, technology="memory")
        descriptor = self.memory.declare(form.describe(name, version, version, topic))
        self.topics.highs.setdefault((topic, 0), 0)
        self._claims[name] = self.memory.claim(UnitId(name, version, version, topic, 0), "worker-1")
        self._positions[name] = None
        if position is not None:
            self.commit(name, position)
        return descriptor

    def commit(
        self, learner: str, position: int, storage: str = "", scores: Mapping[str, float] | None = None, **sums: int
    ) -> None:
        """Let a learner commit a position, together with what it adds to the row `all` of its ranking, or to the
        experiment's row of `storage`."""
        writes = Writes()
        if scores:
            writes.scores[Address(f"ranking/{learner}", "all")] = dict(scores)
        if sums:
            writes.sums[Address(f"counters/{storage}", EXPERIMENT)] = sums
        now = round(time.time() * 1000)
        self.memory.commit(self._claims[learner], self._positions[learner], position, writes, now)
        self._positions[learner] = position

    def running(self) -> None:
        """Ratings, folded by one learner that is level with its log, and an endpoint type that reads its storage."""
        self.topics.highs["ratings", 0] = 1000
        title = self.learner("co_watched").title
        implementation = ImplementationFacts("personal", "4f1c9a2", time.time(), (title,), None, "endpoints.py")
        self.facts = [EndpointFacts("recommend", 0.05, (implementation,), (EXPERIMENT,))]

    def experiment(self) -> None:
        """Learners that count decisions and rewards; nothing counted so far."""
        self.topics.highs["decisions", 0] = 0
        self.learner("decision_counts", None, "decisions", "experiment_decisions")
        self.learner("liked", 1000, "ratings", "experiment_rewards_liked")

    def results(self, lost: int = 0, **rates: float) -> None:
        """Counts by group of units, as learners keep them: of each variant twenty units a group, each with ten
        decisions, of which this share is rewarded; and of the last variant so many units are lost."""
        self.learner("by_unit", None, "decisions", "experiment_measures")
        self.learner("liked_by_unit", None, "ratings", "experiment_rewards_liked_groups")
        chance = random.Random(1)
        writes, rewards = Writes(), Writes()
        for variant, rate in rates.items():
            groups = {f"{variant}.{group}": 200 for group in range(GROUPS)}
            rewarded = {place: sum(chance.random() < rate for _ in range(count)) for place, count in groups.items()}
            row = Address("counters/experiment_rewards_liked_groups", EXPERIMENT)
            rewards.sums.setdefault(row, {}).update(rewarded)
            for measure, fields in {
                "decisions": groups,
                "fallbacks": {},
                "latency": {f"{variant}.10": 200 * GROUPS},
                "units": {f"{variant}.5000": 20 * GROUPS - (lost if variant == list(rates)[-1] else 0)},
            }.items():
                key = Address("counters/experiment_measures", f"{EXPERIMENT}.{measure}")
                writes.sums.setdefault(key, {}).update(fields)
        for learner, made in (("by_unit", writes), ("liked_by_unit", rewards)):
            self.memory.commit(self._claims[learner], None, 1, made, round(time.time() * 1000))
            self._positions[learner] = 1

    def wait_for_samples(self, count: int) -> None:
        """Block until `count` more samples were taken, by an app that runs in another thread."""
        for _ in range(count):
            before, until = self.measurements.at, time.monotonic() + 5
            while self.measurements.at == before and time.monotonic() < until:
                time.sleep(0.01)

    def app(self, *more: BaseRoute) -> Starlette:
        """The console, and what else a test wants served beside it, with the measurements running."""

        @asynccontextmanager
        async def running(app: Starlette) -> AsyncIterator[None]:
            task = asyncio.create_task(self.measurements.run())
            yield
            task.cancel()
            await asyncio.wait([task])

        gate = Middleware(Gate, access=Access(), audit=AuditLog())
        app = Starlette(routes=[*more, *self.routes], lifespan=running, middleware=[gate])
        app.state.stopping = self.measurements.end
        return app
