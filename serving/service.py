"""The models service: every part of this room put together as one ASGI application."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from schemas import EventType
from serving.answering import Answering
from serving.console import ProductPage, console
from serving.decision_log import DecisionLog, Sender
from serving.docs import docs
from serving.endpoints import Endpoints, Types
from serving.experiment import Experiment
from serving.hot_loader import HotLoader
from serving.intake import DeadLetters, Deliverer, Intake
from serving.leases import Leases
from serving.listing import Goal, index, variants
from serving.measurements import Measurements, Topics
from serving.metrics import Metrics
from serving.openapi import openapi
from serving.problem import Problem
from serving.provenance import Provenance
from serving.storages import Storages
from serving.storages_document import figures_of
from serving.storages_routes import StoragesRoutes
from storage import Catalogue, Technology
from storage.retention import Retention

LOGGER = logging.getLogger("millrace.service")
LOOK = 0.25
"""Seconds between two looks at the storages, and the longest that a look waits for a slow one."""
FIRST = 1.0
"""Seconds that the start waits for the storages; later they are found as they appear."""
DRAIN = 2.0
"""Seconds that the end waits for decisions to be acknowledged."""


class NoTopics:
    """Topics for a service that has no Kafka to look at."""

    def names(self) -> Sequence[str]:
        """None."""
        return ()

    def ends(self, names: Sequence[str]) -> Mapping[tuple[str, int], tuple[int, int]]:
        """None."""
        return {}


@dataclass(frozen=True)
class Events:
    """What the intake needs: the event types it takes, who sends them, who keeps what is refused."""

    event_types: Mapping[str, EventType]
    deliverer: Deliverer
    dead_letters: DeadLetters


@dataclass(frozen=True)
class Watched:
    """What the console shows beside answers and storages: topics and their ends, other servers, products' pages."""

    topics: Topics = field(default_factory=NoTopics)
    names: Sequence[str] = ()
    probes: Mapping[str, Callable[[], object]] = field(default_factory=dict)
    pages: Sequence[ProductPage] = ()


class Service:
    """Answers endpoint types from storages. It runs while the application's lifespan does, once.

    Args:
        types: the endpoint types to begin with.
        catalogue: the storages; whoever made it closes its connections after the application has ended.
        decisions: where every answer is logged.
        events: the intake; None = it has none.
        hot: takes up changed code; None = it stays as it is.
        technologies: where storages can be created and changed; none is opened before it is needed.
        retention: by which rule old versions are collected, to say what is kept.

    Raises:
        EndpointRefused, ExperimentRefused: something cannot be served as it is declared.
    """

    def __init__(
        self,
        types: Types,
        catalogue: Catalogue,
        decisions: Sender,
        *,
        experiments: Sequence[Experiment] = (),
        goals: Sequence[Goal] = (),
        events: Events | None = None,
        watched: Watched | None = None,
        hot: HotLoader | None = None,
        technologies: Mapping[str, Technology] | None = None,
        retention: Retention | None = None,
    ) -> None:
        self._catalogue, self._hot, self._events = catalogue, hot, events
        self._experiments, self._goals = tuple(experiments), tuple(goals)
        self._watched = watched or Watched()
        self.endpoints = Endpoints(types, experiments, catalogue)
        self.metrics = Metrics()
        self.decisions = DecisionLog(decisions)
        self._provenance = Provenance(catalogue)
        self._leases = Leases(catalogue)
        self.storages = Storages(catalogue, technologies or {}, self._changed)
        self._retention = retention or Retention()
        self.measurements = Measurements(
            self._watched.topics,
            catalogue,
            self.metrics.counts,
            self.endpoints.facts,
            self._experiments,
            self._watched.names,
            self._watched.probes,
        )

    def app(self) -> Starlette:
        """The application. Its `state.stopping` is to be called when the server begins to stop."""
        app = Starlette(routes=self._routes(), lifespan=self._running, exception_handlers=_HANDLERS)
        app.state.stopping = self.stopping
        return app

    def stopping(self) -> None:
        """End what is sent without end, the console's streams, so that the server need not wait for it."""
        self.measurements.end()

    def _routes(self) -> list[BaseRoute]:
        answering = Answering(self.endpoints, self._provenance, self.decisions, self.metrics)
        post = ["POST"]
        routes: list[BaseRoute] = [
            Route("/v1/{type}", answering, methods=post),
            Route("/v1/{type}/{implementation}", answering, methods=post),
        ]
        if self._events is not None:
            event = self._events
            intake = Intake(event.event_types, event.deliverer, event.dead_letters, self.metrics)
            routes.append(Route("/events/{topic}", intake, methods=post))
        routes += [
            Route("/v1", _json(lambda: index(self.endpoints.current, self._goals))),
            Route("/v1/experiments", _json(lambda: variants(self._experiments, self.measurements.experiments()))),
            Route("/v1/decisions", _json(self.decisions.counts)),
            *StoragesRoutes(self.storages, lambda: figures_of(self.measurements.flow())).routes(),
            Route("/openapi.json", _json(self._openapi)),
            Route("/healthz", _alive),
            Route("/readyz", self._ready),
            Route("/metrics", self._metrics),
        ]
        return [*routes, *docs(self._openapi), *self._console()]

    def _console(self) -> list[BaseRoute]:
        return console(self.measurements, self._watched.pages, self.storages, self._retention)

    @asynccontextmanager
    async def _running(self, app: Starlette) -> AsyncIterator[None]:
        self.decisions.start()
        await self._look(FIRST)
        parts: list[Coroutine[Any, Any, None]] = [self._follow(), self.measurements.run()]
        if self._hot is not None:
            parts.append(self._hot.run(self.endpoints))
        tasks = [asyncio.create_task(part) for part in parts]
        for task in tasks:
            task.add_done_callback(_say_why)
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.to_thread(self.decisions.close, DRAIN)

    async def _follow(self) -> None:
        """Keep up with storages that appear, with what their names stand for and with how far they are."""
        away: dict[str, str] = {}
        while True:
            await asyncio.sleep(LOOK)
            try:
                await self._look(LOOK)
                problems = {name: health.error for name, health in self._catalogue.health().items()}
            except Exception as error:  # it must not end what all answers depend on
                problems = {"The service": f"{type(error).__name__}: {error}"}
            new = {name: error for name, error in problems.items() if error is not None}
            for name in new.keys() - away.keys():
                LOGGER.warning("%s has a problem; answers go on as they can: %s", name.capitalize(), new[name])
            away = new

    async def _look(self, patience: float) -> None:
        await self._catalogue.refresh(patience)
        self.endpoints.follow()
        self._provenance.sample()
        self._leases.renew(self.endpoints.reads())

    async def _changed(self) -> None:
        """Somebody has changed storages: look at once, and show it."""
        await self._look(FIRST)
        await self.measurements.sample()

    def _openapi(self) -> dict[str, Any]:
        return openapi(self.endpoints.current, self._events.event_types if self._events else {})

    async def _ready(self, request: Request) -> Response:
        obstacles = self.endpoints.obstacles()
        body = msgspec.json.encode({"ready": not obstacles, "waiting": obstacles})
        return Response(body, 503 if obstacles else 200, media_type="application/json")

    async def _metrics(self, request: Request) -> Response:
        text = self.metrics.text(self.decisions.counts())
        return Response(text, headers={"content-type": "text/plain; version=0.0.4; charset=utf-8"})


def _json(value: Callable[[], Any]) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        return Response(msgspec.json.encode(value()), media_type="application/json")

    return answer


async def _alive(request: Request) -> Response:
    return PlainTextResponse("alive\n")


async def _refused(request: Request, error: Exception) -> Response:
    """What routing refuses, as a problem document like all others."""
    assert isinstance(error, HTTPException)
    what = f"{request.method} {request.url.path}"
    problem = Problem(error.status_code, "no-such-address", f"{what} is nothing that can be asked; see /docs.")
    body = msgspec.json.encode(problem.document)
    return Response(body, error.status_code, error.headers, "application/problem+json")


async def _failed(request: Request, error: Exception) -> Response:
    """A fault of the service itself; the server logs it."""
    problem = Problem(500, "service-failed", "The service failed; its log says why.")
    return Response(msgspec.json.encode(problem.document), 500, media_type="application/problem+json")


_HANDLERS = {HTTPException: _refused, Exception: _failed}


def _say_why(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        LOGGER.error("A part of the service has ended.", exc_info=task.exception())
