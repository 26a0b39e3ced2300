"""The way of a request to its answer: decode, choose, ask within the deadline, log, send. Every step is prepared."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import MutableMapping
from time import perf_counter
from typing import Any

from schemas import DecisionId
from serving.body import Disconnected, Receive, read_body
from serving.decision_log import DecisionLog, Entry
from serving.endpoint import DEFAULT, Choice, Endpoint
from serving.endpoints import Endpoints
from serving.metrics import Metrics
from serving.problem import Problem, Send, unknown
from serving.provenance import NEVER, Provenance
from storage.errors import StorageError, StorageMissing

LOGGER = logging.getLogger("millrace.answers")
LIMIT = 256 * 1024
"""Bytes that a request may have."""


class Answering:
    """ASGI application behind `POST /v1/{type}` and `POST /v1/{type}/{implementation}`.

    When the implementation gives no answer in time, raises, or misses its storage, the answer is the endpoint type's
    default, logged like any other, with the header `millrace-fallback`; where there is none, a problem.
    """

    def __init__(self, endpoints: Endpoints, provenance: Provenance, log: DecisionLog, metrics: Metrics) -> None:
        self._endpoints, self._provenance, self._log, self._metrics = endpoints, provenance, log, metrics

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        began = perf_counter()
        asked = scope["path_params"]
        endpoint = self._endpoints.current.get(asked["type"])
        if endpoint is None:
            await unknown("endpoint type", asked["type"], list(self._endpoints.current)).send(send)
            return
        counts = self._metrics.of(endpoint.type.name)
        try:
            body = await read_body(receive, LIMIT)
            request = endpoint.request(body)
            unit = endpoint.unit(request)
            name = asked.get("implementation")
            choice = endpoint.choice(unit) if name is None else endpoint.pinned(name)
            as_of = self._provenance.of(choice.live.reads)
            answer = await _ask(endpoint, choice, request)
        except Problem as problem:
            counts.problem(problem.status)
            await problem.send(send)
            return
        except Disconnected:
            return
        fallback = answer is None
        if answer is None:
            assert endpoint.default is not None
            answer, as_of = endpoint.default, NEVER
        decision = DecisionId.new(choice.experiment, choice.variant)
        seconds = perf_counter() - began
        counts.answered(seconds, fallback)
        who = choice.live.implementation
        code, headers = ((DEFAULT, ""), choice.instead) if fallback else ((who.name, who.hash), choice.headers)
        about = (decision, endpoint.type.name, *code, unit, choice.propensity)
        self._log.put(Entry(*about, body, answer, as_of.at, seconds * 1000))
        own = ((b"millrace-decision", decision.text.encode()), (b"content-length", b"%d" % len(answer)))
        await send({"type": "http.response.start", "status": 200, "headers": [*headers, *as_of.headers, *own]})
        await send({"type": "http.response.body", "body": answer})


async def _ask(endpoint: Endpoint, choice: Choice, request: Any) -> bytes | None:
    """The implementation's answer as JSON; None where it failed and there is a default instead.

    Raises:
        Problem: it failed, and there is no default.
    """
    live, timeout = choice.live, None
    try:
        if live.ask is None:
            raise StorageMissing(live.error)
        async with asyncio.timeout(endpoint.deadline) as timeout:
            answer = await live.ask(request)
        return endpoint.encode(answer)
    except (Exception, SystemExit) as error:  # an `exit()` in somebody's code ends its answer, not the service
        late = timeout is not None and timeout.expired()
        problem = _late(endpoint, choice) if late else _problem(choice, error)
        if problem.status == 500:
            LOGGER.exception("%s failed.", live.implementation.title)
        if endpoint.default is None:
            raise problem from error
        return None


def _late(endpoint: Endpoint, choice: Choice) -> Problem:
    name, milliseconds = choice.live.implementation.name, endpoint.deadline * 1000
    return Problem(504, "deadline-passed", f"{name} gave no answer within {milliseconds:,.0f} ms.")


def _problem(choice: Choice, error: BaseException) -> Problem:
    """What the client is told: what is missing it may know, any other error's text stays in the log."""
    name = choice.live.implementation.name
    if isinstance(error, StorageMissing):
        return Problem(503, "storage-missing", f"{name} cannot answer yet: {error}")
    if isinstance(error, StorageError):
        return Problem(503, "storage-unavailable", f"{name} cannot answer: a storage that it reads does not answer.")
    return Problem(500, "implementation-failed", f"{name} failed; the service's log says why.")
