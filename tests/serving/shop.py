"""A small shop for the tests of the service: endpoint types over real storages in memory, and Kafka's part recorded."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import httpx
import msgspec

from schemas import Decision, Event, EventType
from schemas.errors import MillraceError
from serving import EndpointType, Events, Experiment, Golden, Service, Watched, WrongLine
from serving.sender import OnDelivery
from storage import Address, Catalogue, Claim, Memory, MemoryReads, Ranking, RankingReader, UnitId, Writes
from tests.decisions import TakesOffers

DEADLINE = timedelta(milliseconds=200)
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
SPLIT = Experiment("first", "recommend", {"popular_now": 50, "newest": 50}, "click")


class Click(Event, topic="clicks", key="user"):
    """A user clicked on an item."""

    user: str
    item: str
    at: datetime
    decision: str | None = None


@dataclass(frozen=True)
class Goal:
    """A goal as a product declares it."""

    name: str = "click"
    topic: str = "clicks"
    decision: str = "decision"


class Page(msgspec.Struct, frozen=True):
    """Which part of a list."""

    size: Annotated[int, msgspec.Meta(ge=1, le=100)] = 10


class Recommend(msgspec.Struct, frozen=True):
    """Asks for items."""

    user: str
    page: Page = Page()
    tags: Any = None


class Recommendations(msgspec.Struct, frozen=True):
    """Items, best first."""

    items: list[str]


Type = EndpointType[Recommend, Recommendations]


def recommend(**options: Any) -> Type:
    """An endpoint type without implementations."""
    chosen = {"unit": "user", "deadline": DEADLINE, "golden": [Golden(Recommend("u1"), lambda answer: True)], **options}
    return EndpointType("recommend", Recommend, Recommendations, **chosen)


def popular(**options: Any) -> Type:
    """The endpoint type, answered from the ranking `popular`, or else `newest`."""
    kind = recommend(**options)

    @kind.implementation
    async def popular_now(request: Recommend, popular: RankingReader) -> Recommendations:
        """What is popular."""
        return Recommendations([item for item, _ in await popular.top("all", request.page.size)])

    @kind.implementation
    async def newest(request: Recommend) -> Recommendations:
        return Recommendations(["new"])

    return kind


def problem(answer: httpx.Response) -> tuple[int, str, str]:
    """The status, the kind and the detail of a refusal."""
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json()
    assert document["status"] == answer.status_code
    return answer.status_code, document["type"].rpartition(":")[2], document["detail"]


@dataclass
class Kafka(TakesOffers):
    """Kafka's part: remembers what was sent, acknowledges at once unless told otherwise."""

    decisions: list[Decision] = field(default_factory=list)
    delivered: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    letters: list[tuple[str, WrongLine]] = field(default_factory=list)
    failure: MillraceError | None = None

    def send(self, event_type: EventType, value: Mapping[str, Any], on_delivery: OnDelivery | None = None) -> None:
        self.decisions.append(Decision.of(value))
        if on_delivery is not None:
            on_delivery(self.failure, 0, len(self.decisions) - 1)

    async def deliver(self, event_type: EventType, values: Sequence[Mapping[str, Any]]) -> list[tuple[int, int]]:
        if self.failure is not None:
            raise self.failure
        first = len(self.delivered)
        self.delivered += [(event_type.topic, value) for value in values]
        return [(0, first + place) for place in range(len(values))]

    def keep(self, topic: str, lines: Sequence[WrongLine]) -> None:
        if self.failure is not None:
            raise self.failure
        self.letters += [(topic, line) for line in lines]


class Shop:
    """Storages that a test fills, and a service over them."""

    def __init__(self, *types: EndpointType[Any, Any], experiments: Sequence[Experiment] = ()) -> None:
        self.memory, self.kafka = Memory(), Kafka()
        self.catalogue = Catalogue({"memory": MemoryReads(self.memory)})
        self.types, self.experiments = types or (popular(),), experiments
        self._claims: dict[str, tuple[Claim, int | None]] = {}

    def learner(self, name: str = "popular", version: int = 1) -> None:
        """Create the ranking of a learner of the same name, still empty."""
        form = Ranking(name, technology="memory")
        self.memory.point([self.memory.declare(form.describe(name, version, version, "clicks"))])
        unit = UnitId(name, version, version, "clicks", 0)
        self._claims[f"{name}@{version}"] = (self.memory.claim(unit, f"owner-{version}"), None)

    def learned(self, at: datetime = NOON, name: str = "popular", version: int = 1, **scores: float) -> None:
        """Let a learner commit what it adds to its ranking's row `all`, from events up to `at`."""
        claim, position = self._claims[f"{name}@{version}"]
        following = (position or 0) + 1
        writes = Writes(scores={Address(f"ranking/{name}", "all"): dict(scores)})
        self.memory.commit(claim, position, following, writes, round(at.timestamp() * 1000))
        self._claims[f"{name}@{version}"] = (claim, following)

    def service(self, **options: Any) -> Service:
        """A service that may change storages, and does not run; `running` makes one that does."""
        events = Events({"clicks": Click.event_type}, self.kafka, self.kafka)
        settings: dict[str, Any] = {"experiments": self.experiments, "events": events, "watched": Watched()}
        settings["technologies"] = {"memory": self.memory}
        return Service(self.types, self.catalogue, self.kafka, **{**settings, **options})

    @asynccontextmanager
    async def running(self, service: Service | None = None) -> AsyncIterator[httpx.AsyncClient]:
        """A client of the running service; leaving waits until its decisions are logged."""
        app = (service or self.service()).app()
        transport = httpx.ASGITransport(app, raise_app_exceptions=True)
        async with app.router.lifespan_context(app):
            async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
                yield client
