"""`GET /asyncapi.json`: what is registered, and who reads it, as AsyncAPI."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.routing import Route

from schemas.errors import MillraceError
from serving.json_route import json_route
from serving.problem import Problem
from serving.registered import Registered
from serving.threads import Threads

PATIENCE = 10.0
"""Seconds that it waits for the registry and for Kafka."""


def asyncapi_route(registered: Registered) -> Route:
    """The route."""
    threads = Threads(2)

    async def answer(request: Request) -> Any:
        try:
            async with asyncio.timeout(PATIENCE):
                return await threads.run(registered.asyncapi)
        except TimeoutError:
            why = f"The registry has not given all of it within {PATIENCE:g} s."
        except MillraceError as error:
            why = str(error)
        raise Problem(503, "registry-away", why)

    return Route("/asyncapi.json", json_route(answer))
