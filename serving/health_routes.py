"""How the service does, for whoever runs it: whether it lives, whether it is ready, and its counts for Prometheus."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from serving.decisions.log import DecisionLog
from serving.endpoints import Endpoints
from serving.metrics import Metrics
from serving.shadowing import Shadowing
from storage import Catalogue


class HealthRoutes:
    """The addresses `/healthz`, `/readyz` and `/metrics`.

    Args:
        more: further counts, in Prometheus' text format.

    Attributes:
        leaving: whether the service is going to stop, so that it is not ready.
    """

    def __init__(
        self,
        endpoints: Endpoints,
        metrics: Metrics,
        decisions: DecisionLog,
        shadowing: Shadowing,
        catalogue: Catalogue,
        more: Callable[[], str] = str,
    ) -> None:
        self.leaving = False
        self._endpoints, self._metrics, self._decisions = endpoints, metrics, decisions
        self._shadowing, self._catalogue, self._more = shadowing, catalogue, more

    def routes(self) -> list[BaseRoute]:
        """For the application."""
        return [Route("/healthz", self.alive), Route("/readyz", self.ready), Route("/metrics", self.counts)]

    async def alive(self, request: Request) -> Response:
        """It answers at all."""
        return PlainTextResponse("alive\n")

    async def ready(self, request: Request) -> Response:
        """Whether it should be asked, and what it waits for."""
        waiting, ready = self._endpoints.obstacles(), not self._endpoints.own_obstacles()
        if self.leaving:
            waiting, ready = {"service": "It was told to stop."}, False
        body = msgspec.json.encode({"ready": ready, "waiting": waiting})
        return Response(body, 200 if ready else 503, media_type="application/json")

    async def counts(self, request: Request) -> Response:
        """All that is counted, in Prometheus' text format."""
        text = self._metrics.text(self._decisions.counts(), self._catalogue.kept()) + self._shadowing.text()
        return Response(text + self._more(), headers={"content-type": "text/plain; version=0.0.4; charset=utf-8"})
