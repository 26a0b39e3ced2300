"""The models service: every part of this room put together as one ASGI application."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Route

from serving.access import Access, AuditLog, Gate
from serving.answering import Answering
from serving.application import Application
from serving.asyncapi_route import asyncapi_route
from serving.binding import Types
from serving.console import Login, console
from serving.console.backtests_page import BacktestsPage
from serving.console.experiments_changing import ExperimentsPage
from serving.console.flow_page import FlowPage
from serving.console.jobs_page import JobsPage
from serving.console.schemas_page import SchemasPage
from serving.console.streams_page import StreamsPage
from serving.console.tail import Tails
from serving.decisions.log import DecisionLog
from serving.docs import docs
from serving.endpoints import CODE, Endpoints
from serving.event_lines import Lines, Positions
from serving.event_time_metrics import event_time_text
from serving.experiment import Experiment
from serving.experiments.allocating import Allocating
from serving.experiments.drafting import Drafting
from serving.experiments.experiments import Experiments
from serving.experiments.known import Known, declared
from serving.experiments.routes import ExperimentsRoutes
from serving.following import Following
from serving.health_routes import HealthRoutes
from serving.hot_loader import HotLoader
from serving.intake import Intake
from serving.json_route import HANDLERS, json_value
from serving.lacking import Lacking
from serving.listing import Goal, index
from serving.measurements import Measurements
from serving.metrics import Metrics
from serving.openapi import openapi, secured
from serving.overload.admission import Admission
from serving.overload.admitting import admitting
from serving.products import Deployments, Products, Served
from serving.provenance import Provenance
from serving.refused_metrics import refused_text
from serving.sender import QuickSender
from serving.spool import Spool
from serving.spooled_deliverer import SpooledDeliverer
from serving.storages.document import figures_of
from serving.storages.routes import StoragesRoutes
from serving.storages.storages import Storages
from serving.surroundings import Events, Shared, Watched
from serving.trial import Trials
from serving.watchdog import Watchdog
from storage import Catalogue, Technology
from storage.retention import Retention

LOGGER = logging.getLogger("millrace.service")
FIRST = 1.0
"""Seconds that the start waits for the storages; later they are found as they appear."""
DRAIN = 2.0
"""Seconds that the end waits for decisions to be acknowledged."""


@dataclass(frozen=True)
class _Served:
    """What experiments may be about."""

    endpoints: Endpoints
    declared: Sequence[Goal]

    @property
    def goals(self) -> Collection[str]:
        return [goal.name for goal in self.declared]

    @property
    def once(self) -> Collection[str]:
        return [goal.name for goal in self.declared if getattr(goal, "first", True)]

    @property
    def implementations(self) -> Mapping[str, Collection[str]]:
        return self.endpoints.implementations


class Service:
    """Answers endpoint types from storages. It runs while the application's lifespan does, once.

    Args:
        types: the endpoint types to begin with.
        catalogue: the storages; whoever made it closes its connections after the application has ended.
        decisions: where every answer is logged.
        experiments: declared in code; each holds until somebody changes it in what is `shared`.
        shared: where experiments can be changed; None = they are what the code declares.
        events: the intake; None = it has none.
        hot: takes up changed code; None = it stays as it is.
        technologies: where storages can be created and changed; none is opened before it is needed.
        spool: keeps decisions while Kafka is away; None = a short while of them is kept in memory.
        retention: by which rule old versions are collected, to say what is kept.
        remembered: bytes of last good answers that are kept of each endpoint type that gives some.
        access: who may ask what; None = everybody everything.
        audit: where changes are recorded; None = in the log alone.
        deployments: brings further products while it runs; None = nobody can.
        placed: where storages of `types` live of which there are several; see `Catalogue`.
        learned: storages that learners beside `types` write, as "ranking/popular".

    Raises:
        EndpointRefused, ExperimentRefused: something cannot be served as it is declared.
    """

    def __init__(
        self,
        types: Types,
        catalogue: Catalogue,
        decisions: QuickSender,
        *,
        experiments: Sequence[Experiment] = (),
        goals: Sequence[Goal] = (),
        shared: Shared | None = None,
        events: Events | None = None,
        watched: Watched | None = None,
        hot: HotLoader | None = None,
        technologies: Mapping[str, Technology] | None = None,
        spool: Spool | None = None,
        retention: Retention | None = None,
        remembered: int = 64_000_000,
        access: Access | None = None,
        audit: AuditLog | None = None,
        deployments: Deployments | None = None,
        placed: Mapping[str, str] | None = None,
        learned: Collection[str] = (),
    ) -> None:
        self._hot, self._events, self._deployments = hot, events, deployments
        self.access, self.audit = access or Access(), audit or AuditLog()
        self._watched, self._retention = watched or Watched(), retention or Retention()
        self.endpoints = Endpoints(types, experiments, catalogue)
        given = () if shared is None else (shared.table, shared.file)
        self.experiments = Experiments(declared(experiments, CODE), *given)
        self.admission = Admission()
        self.metrics = Metrics(self.admission)
        self._sender, self.decisions = decisions, DecisionLog(decisions, spool)
        provenance = Provenance(catalogue)
        known = (self.endpoints, provenance, self.decisions, self.metrics)
        self.answering = Answering(*known, self.admission, remembered)
        self._following = Following(catalogue, self.endpoints, provenance, Lacking(catalogue, self._learned))
        counted = (self.metrics, self.decisions, self.answering.shadowing)
        self._health = HealthRoutes(self.endpoints, *counted, catalogue, self._events_text)
        self.storages = Storages(catalogue, technologies or {}, self._changed)
        self.measurements = Measurements(
            *(self._watched.topics, catalogue, self.metrics.counts, self.endpoints.facts, ()),
            *(self._watched.names, self._watched.probes),
            decisions=self.decisions.counts,
            kept=self._watched.lifts,
            stops=self._watched.refused.standing if self._watched.refused is not None else tuple,
        )
        own = Served(types, events.event_types if events else {}, tuple(goals), placed or {}, learned=learned)
        self.products = Products(own, self.endpoints, catalogue, self.measurements, self._watched.names)
        self._spooled = self._spooling()
        self.served = _Served(self.endpoints, self.products.goals)
        self.experiments.listen(self._assign)

    def app(self) -> Application:
        """The application. Its `state.stopping` is to be called when the server begins to stop."""
        gate = Middleware(Gate, access=self.access, audit=self.audit, turned_away=self.metrics.turned_away)
        app = Application(
            *(self.access, self.answering),
            routes=self._routes(),
            lifespan=self._running,
            exception_handlers=HANDLERS,
            middleware=[gate],
        )
        app.state.stopping = self.stopping
        return app

    def leaving(self) -> None:
        """Say that it is not ready, as it is going to stop; it answers all the same."""
        self._health.leaving = True

    def stopping(self) -> None:
        """End what is sent without end, the console's streams, so that the server need not wait for it."""
        self.measurements.end()

    def _assign(self, known: Known) -> None:
        """Experiments have changed."""
        self.endpoints.assign(known)
        self.measurements.watch([one for one in known.all.values() if one.state != "draft" and not one.shadow])

    def _routes(self) -> list[BaseRoute]:
        answering, registered = self.answering, self._watched.registered
        post = ["POST"]
        routes: list[BaseRoute] = [
            Route("/v1/{type}", answering, methods=post),
            Route("/v1/{type}/{implementation}", answering, methods=post),
        ]
        if self._events is not None:
            intake = Intake(self.products.event_types, self._deliver, self._events.dead_letters, self.metrics)
            routes.append(Route("/events/{topic}", intake, methods=post))
        routes += [
            Route("/v1", json_value(lambda: index(self.endpoints.current, self.products.goals))),
            *ExperimentsRoutes(
                self.experiments,
                self.served,
                lambda: self.endpoints.fit,
                self.measurements.experiments,
                self._compared,
            ).routes(),
            *(self._deployments.routes() if self._deployments is not None else ()),
            Route("/v1/decisions", json_value(self.decisions.counts)),
            *StoragesRoutes(self.storages, lambda: figures_of(self.measurements.flow())).routes(),
            Route("/openapi.json", json_value(self._openapi)),
            *([] if registered is None else [asyncapi_route(registered)]),
            *self._health.routes(),
        ]
        return [*routes, *docs(self._openapi), *self._console(Trials(self.endpoints, answering))]

    def _learned(self) -> Collection[str]:
        return self.products.learned

    def _events_text(self) -> str:
        """What was refused, and what came late, for Prometheus."""
        flow = self.measurements.flow()
        return refused_text(flow) + event_time_text(flow)

    def _spooling(self) -> SpooledDeliverer | None:
        """What delivers the intake's bodies where there is a spool for them."""
        events = self._events
        if events is None or events.spool is None:
            return None
        parts = (events.deliverer, events.spool, self.products.event_types, events.dead_letters)
        return SpooledDeliverer(*parts, self.metrics)

    async def _deliver(self, lines: Lines) -> Positions | None:
        """Take a body of the intake."""
        assert self._events is not None
        if self._spooled is not None:
            return await self._spooled.deliver(lines)
        return await self._events.deliverer.deliver(lines.event_type, lines.values)

    def _compared(self) -> Mapping[str, Any]:
        """Shadows beside what was answered."""
        return {name: found.document for name, found in self.answering.shadowing.comparisons.items()}

    def _console(self, trials: Trials) -> list[BaseRoute]:
        watched = self._watched
        tails = None if watched.looking is None else Tails(watched.looking)
        return console(
            self.measurements,
            watched.pages,
            self.storages,
            self._retention,
            trials,
            ExperimentsPage(self.experiments, self.served, lambda: self.endpoints.fit, self._compared),
            Login(self.access, self.audit),
            streams=None if watched.refused is None else StreamsPage(watched.refused, tails),
            schemas=None if watched.registered is None else SchemasPage(watched.registered),
            flow=None if watched.looking is None else FlowPage(watched.looking),
            jobs=None if watched.jobs is None else JobsPage(watched.jobs),
            backtests=None if watched.backtests is None else BacktestsPage(watched.backtests),
        )

    @asynccontextmanager
    async def _running(self, app: Starlette) -> AsyncIterator[None]:
        self.decisions.start(asyncio.get_running_loop())
        self.audit.start()
        await asyncio.gather(self._following.look(FIRST), self.experiments.begin(FIRST))
        parts: list[Coroutine[Any, Any, None]] = [
            self._sender.acknowledge(),
            self._following.run(),
            admitting(self.admission, self.endpoints),
            Watchdog(lambda: self.endpoints.current.values(), self.metrics.held).run(),
            self.measurements.run(),
            self.experiments.run(),
            self.access.follow(),
        ]
        if self._deployments is not None:
            await self._deployments.begin(self.products, self._changed, Drafting(self.experiments, self.served))
            self.measurements.deployed = self._deployments.facts
            parts.append(self._deployments.run())
        if self._spooled is not None:
            parts.append(self._spooled.run())
        if self.experiments.changeable:
            parts.append(Allocating(self.experiments, self.measurements.experiments).run())
        if self._watched.told is not None:
            parts.append(self._watched.told.run(self.endpoints.facts))
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
            await self.answering.shadowing.close()
            await self.storages.close()
            ends = (self.decisions.close, self.audit.close)
            await asyncio.gather(*(asyncio.to_thread(end, DRAIN) for end in ends))

    async def _changed(self) -> None:
        """Somebody has changed storages: look at once, and show it."""
        await self._following.look(FIRST)
        await self.measurements.sample()

    def _openapi(self) -> dict[str, Any]:
        event_types = self.products.event_types if self._events else {}
        further = [self._deployments.paths] if self._deployments is not None else []
        document = openapi(self.endpoints.current, event_types, *further)
        return secured(document) if self.access.keyed else document


def _say_why(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        LOGGER.error("A part of the service has ended.", exc_info=task.exception())
