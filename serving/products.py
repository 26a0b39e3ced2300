"""What of each product is served, one beside the other: endpoint types, event types, goals, where its storages live."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from starlette.routing import BaseRoute

from schemas import EventType
from serving.binding import Types
from serving.endpoints import OWN, Endpoints
from serving.experiment import Experiment
from serving.experiments.drafting import Drafting
from serving.listing import Goal
from serving.measurements import DeployedFacts, Measurements
from storage import Catalogue


@dataclass(frozen=True)
class Served:
    """What one product brings to the service.

    Attributes:
        types: its endpoint types.
        event_types: what is taken at `POST /events/{topic}`, by topic.
        goals: what experiments may count.
        placed: where storages live of which there are several; see `Catalogue`.
        experiments: what it declares of them, to be prepared as drafts.
        learned: storages that its learners write, as "ranking/popular".
    """

    types: Types = ()
    event_types: Mapping[str, EventType] = field(default_factory=dict)
    goals: Sequence[Goal] = ()
    placed: Mapping[str, str] = field(default_factory=dict)
    experiments: Sequence[Experiment] = ()
    learned: Collection[str] = ()


class Products:
    """For the event loop's thread; nothing waits. The product that the service was started with takes its saved code
    itself (`HotLoader`); this is for those that come and go while it runs.

    Attributes:
        endpoints: all endpoint types.
        event_types: of all products, by topic; of a topic that several declare, the first's. Changed in place.
        goals: of all products. Changed in place.

    Args:
        own: what the service was started with.
        topics: to be watched in any case.
    """

    def __init__(
        self,
        own: Served,
        endpoints: Endpoints,
        catalogue: Catalogue,
        measurements: Measurements,
        topics: Sequence[str] = (),
    ) -> None:
        self.endpoints = endpoints
        self.event_types: dict[str, EventType] = {}
        self.goals: list[Goal] = []
        self._catalogue, self._measurements, self._topics = catalogue, measurements, tuple(topics)
        self._served: dict[str, Served] = {OWN: own}
        self._list()

    @property
    def learned(self) -> set[str]:
        """Storages that learners of any product write."""
        return {storage for served in self._served.values() for storage in served.learned}

    def take(self, name: str, served: Served) -> Sequence[str]:
        """Serve this of the product from now on, or keep what is served of it; says why. See `Endpoints.take`."""
        before = self._served
        self._served = {**before, name: served}
        self._merge()
        problems = self.endpoints.take(served.types, name)
        if problems and not self.endpoints.waits(name):
            self._served = before
            self._merge()
        return problems

    def drop(self, name: str) -> None:
        """Serve nothing of this product any more."""
        self._served = {other: served for other, served in self._served.items() if other != name}
        self.endpoints.drop(name)
        self._merge()

    def experiments(self, name: str) -> Sequence[Experiment]:
        """What a product declares of them; none where nothing of it is served."""
        return self._served[name].experiments if name in self._served else ()

    def _merge(self) -> None:
        self._list()
        self._measurements.watch_topics(list(dict.fromkeys([*self._topics, *self.event_types])))
        first_wins = reversed(self._served.values())
        self._catalogue.place({name: place for served in first_wins for name, place in served.placed.items()})

    def _list(self) -> None:
        self.event_types.clear()
        self.goals.clear()
        for served in self._served.values():
            self.goals.extend(served.goals)
            for topic, event_type in served.event_types.items():
                self.event_types.setdefault(topic, event_type)


class Deployments(Protocol):
    """Brings further products while the service runs (`millrace.deployments`)."""

    def routes(self) -> Sequence[BaseRoute]:
        """Where products are taken."""

    def paths(self, refused: dict[str, Any]) -> dict[str, Any]:
        """The same in OpenAPI's terms; `refused` is the answer where a request is refused."""

    def facts(self) -> Sequence[DeployedFacts]:
        """How this service stands to them, for the console."""

    async def begin(self, products: Products, changed: Callable[[], Awaitable[None]], drafting: Drafting) -> None:
        """Serve what was deployed before, as far as it is on this disk. `changed` is awaited after each change."""

    async def run(self) -> None:
        """Follow what is deployed until cancelled."""
