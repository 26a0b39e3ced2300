"""Experiments over HTTP: listed, looked at, created, started, ramped, shipped, stopped, rolled back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from serving.access.signing import signed
from serving.errors import ExperimentRefused, ExperimentsUnavailable, ExperimentUnknown
from serving.experiment import Experiment
from serving.experiments import changes
from serving.experiments.changes import Changing, Served, Who
from serving.experiments.definition import Definition
from serving.experiments.document import document, listed
from serving.experiments.experiments import Experiments
from serving.experiments.fitting import Fit
from serving.experiments.problem import problem_of
from serving.json_route import Answer, json_body, json_route
from serving.measurements import ExperimentFigures


class New(msgspec.Struct, forbid_unknown_fields=True):
    """An experiment to be created; see `Experiment`. Of the split the order counts: the first is the control. A
    period of Thompson sampling is in seconds; 0 = the split stays."""

    endpoint: str
    split: dict[str, int]
    goal: str = ""
    ramp: float = 100.0
    layer: str = ""
    draft: bool = False
    shadow: bool = False
    period_s: Annotated[int, msgspec.Meta(ge=0, le=10**9)] = 0
    by: str = "http"
    note: str = ""


class Said(msgspec.Struct, forbid_unknown_fields=True):
    """Who changes an experiment, and why."""

    by: str = "http"
    note: str = ""


class Started(Said, forbid_unknown_fields=True):
    """Also how many per cent of the units are in it; None = as many as before."""

    ramp: float | None = None


class Ramped(Said, forbid_unknown_fields=True, kw_only=True):
    """Also how many per cent of the units are in it."""

    ramp: float


class Shipped(Said, forbid_unknown_fields=True, kw_only=True):
    """Also which variant answers for everybody."""

    variant: str


class ExperimentsRoutes:
    """The addresses under `/v1/experiments`.

    Args:
        served: what experiments may be about.
        fit: which are served now.
        figures: what was counted.
        shadows: what shadows were compared to, by name.
    """

    def __init__(
        self,
        experiments: Experiments,
        served: Served,
        fit: Callable[[], Fit],
        figures: Callable[[], Sequence[ExperimentFigures]],
        shadows: Callable[[], Mapping[str, Any]] = dict,
    ) -> None:
        self._experiments, self._served, self._fit, self._figures = experiments, served, fit, figures
        self._shadows = shadows

    def routes(self) -> list[BaseRoute]:
        """For the application."""
        one = "/v1/experiments/{name}"
        posts = {
            "start": self.start,
            "ramp": self.ramp,
            "ship": self.ship,
            "stop": self.stop,
            "rollback": self.rollback,
        }
        return [
            Route("/v1/experiments", json_route(self.list), methods=["GET"]),
            Route(one, _route(self.show), methods=["GET"]),
            Route(one, _route(self.create), methods=["PUT"]),
            *(Route(f"{one}/{name}", _route(answer), methods=["POST"]) for name, answer in posts.items()),
        ]

    async def list(self, request: Request) -> Any:
        """Every experiment, and a row for each variant."""
        found = listed(self._experiments.known, self._fit(), self._figures(), self._experiments.away)
        return {**found, "shadows": self._shadows()}

    async def show(self, request: Request) -> Any:
        """One experiment with its history."""
        known, name = self._experiments.known, _name(request)
        if name not in known.all:
            raise ExperimentUnknown(name, list(known.all))
        return self._document(known.all[name])

    async def create(self, request: Request) -> Any:
        """An experiment that was not there, or was a draft; again the same changes nothing."""
        new = await json_body(request, New)
        return await self._changed(request, changes.create(_wanted(_name(request), new), _who(new), self._served))

    async def start(self, request: Request) -> Any:
        """A draft begins, or a stopped one goes on."""
        said = await json_body(request, Started)
        return await self._changed(request, changes.start(_name(request), _who(said), self._served, said.ramp))

    async def ramp(self, request: Request) -> Any:
        """More or less of the traffic."""
        said = await json_body(request, Ramped)
        return await self._changed(request, changes.ramp(_name(request), said.ramp, _who(said)))

    async def ship(self, request: Request) -> Any:
        """A variant answers for everybody."""
        said = await json_body(request, Shipped)
        return await self._changed(request, changes.ship(_name(request), said.variant, _who(said), self._served))

    async def stop(self, request: Request) -> Any:
        """It answers for nobody any more."""
        said = await json_body(request, Said)
        return await self._changed(request, changes.stop(_name(request), _who(said)))

    async def rollback(self, request: Request) -> Any:
        """A shipped variant answers no longer for everybody."""
        said = await json_body(request, Said)
        return await self._changed(request, changes.rollback(_name(request), _who(said)))

    async def _changed(self, request: Request, changing: Changing) -> Any:
        return self._document(await self._experiments.change(_name(request), changing))

    def _document(self, item: Definition) -> Any:
        return document(item, self._experiments.known, self._fit()) | {"compared": self._shadows().get(item.name)}


def _route(answer: Answer) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint that answers in JSON, or says why it is refused."""

    async def told(request: Request) -> Any:
        try:
            return await answer(request)
        except (ExperimentRefused, ExperimentsUnavailable) as error:
            raise problem_of(error) from error

    return json_route(told)


def _name(request: Request) -> str:
    return str(request.path_params["name"])


def _who(said: New | Said) -> Who:
    return Who(signed(said.by), said.note)


def _wanted(name: str, new: New) -> Experiment:
    period = timedelta(seconds=new.period_s) if new.period_s else None
    return Experiment(name, new.endpoint, new.split, new.goal, new.ramp, new.layer, new.draft, new.shadow, period)
