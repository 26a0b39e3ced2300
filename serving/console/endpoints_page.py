"""What the Endpoints page shows: the list, the row that was chosen from it; and what asks it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from serving.console import charts, request_form
from serving.console.notes import failing, overloaded, refused, spool, unable, unlogged
from serving.console.page import Done, Page
from serving.endpoint import Endpoint
from serving.measurements import EndpointFigures, Measurements
from serving.problem import Problem
from serving.trial import Answer, Trials

Query = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that was tried, and its answer as it is read."""

    answer: Answer
    text: str
    command: str


def context(measurements: Measurements, query: Query) -> dict[str, Any]:
    """Values for endpoints.html. `endpoint` in the query names the one to show; without it the first."""
    nothing: dict[str, Any] = {
        "form": None,
        "asked": None,
        "golden": None,
        "code": None,
        "wrong": "",
        "field_wrong": None,
    }
    flow, deployed = measurements.flow(), measurements.deployed()
    if flow is None:
        return {"flow": None, "deployed": deployed, **nothing}
    chosen = next((item for item in flow.endpoints if item.name == query.get("endpoint")), None)
    chosen = chosen or (flow.endpoints[0] if flow.endpoints else None)
    shown = [chosen] if chosen else []
    note = refused(shown) or unable(shown) or overloaded(shown) or failing(shown)
    return {
        "flow": flow,
        "deployed": deployed,
        "endpoints": flow.endpoints,
        "chosen": chosen,
        "note": note,
        "unlogged": unlogged(flow),
        "spool": spool(flow),
        "status": note.status if note else "",
        "histogram": _histogram(chosen) if chosen else "",
        **nothing,
    }


READ_ONLY = Page("endpoints", "Endpoints", "endpoints.html", context)
"""The page where nothing can be asked."""


class EndpointsPage:
    """The page over endpoint types that can be asked: `implementation` in the query shows its code, `ask=golden` asks
    the golden requests."""

    def __init__(self, trials: Trials) -> None:
        self._trials = trials

    def page(self) -> Page:
        """For the console."""
        return Page("endpoints", "Endpoints", "endpoints.html", context, prepare=self.prepare, act=self.act)

    async def prepare(self, measurements: Measurements, query: Query) -> dict[str, Any]:
        """The form, and what else is asked for."""
        trials = self._trials
        endpoint = trials.find(query.get("endpoint", "")) or trials.find(trials.first)
        if endpoint is None:
            return {}
        live = endpoint.lives.get(query.get("implementation", ""))
        return {
            "form": _form(endpoint, {}),
            "golden": await trials.golden(endpoint) if query.get("ask") == "golden" else None,
            "code": live and {"name": live.implementation.name, "text": live.implementation.code},
        }

    async def act(self, form: Query) -> Done:
        """Ask what the form says, and show it again with the answer."""
        title, name = form.get("endpoint", ""), form.get("implementation", "")
        query = {"endpoint": title}
        endpoint = self._trials.find(title)
        if endpoint is None:
            return Done({}, 404, {"wrong": f"{title} is no longer served; choose another one."})
        values: dict[str, Any] = {"form": _form(endpoint, form)}
        try:
            body = request_form.body(_fields(endpoint), form)
        except Problem as problem:
            return Done(
                query, problem.status, {**values, "wrong": problem.detail, "field_wrong": problem.more["field"]}
            )
        answer = await self._trials.ask(title, name, body)
        asked = Asked(answer, _pretty(answer.body), _command(title, name, body))
        return Done(query, 200, {**values, "asked": asked})


def _fields(endpoint: Endpoint) -> list[request_form.Field]:
    """The request's fields, as its first golden request fills them."""
    kind = endpoint.type
    example: Any = {}
    if kind.golden:
        example = msgspec.json.decode(kind.requests.encode(kind.golden[0].request))
    return request_form.fields(kind.requests.schema, example)


def _form(endpoint: Endpoint, written: Query) -> dict[str, Any]:
    kind, known = endpoint.type, _fields(endpoint)
    return {
        "title": kind.title,
        "fields": [(field, written.get(field.place, field.value)) for field in known],
        "implementations": list(endpoint.lives),
        "implementation": written.get("implementation", ""),
        "request": _pretty(msgspec.json.encode(kind.requests.schema)),
        "response": _pretty(msgspec.json.encode(kind.responses.schema)),
        "goldens": len(kind.golden),
    }


def _pretty(body: bytes) -> str:
    return msgspec.json.format(body, indent=2).decode("utf-8", "replace")


def _command(title: str, implementation: str, body: bytes) -> str:
    """What asks the same from a shell; the reader puts in the service's address."""
    address = "/".join(part for part in ("$MILLRACE/v1", title, implementation) if part)
    data = shlex.quote(body.decode())
    return f'MILLRACE=http://127.0.0.1:18080\ncurl "{address}" -H "content-type: application/json" -d {data}'


def _histogram(figures: EndpointFigures) -> str:
    recent = figures.recent
    if figures.p50 is None or figures.p99 is None:
        return ""
    marks = {"p50": figures.p50, "p99": figures.p99}
    return charts.histogram(recent.bounds, recent.buckets, marks, figures.facts.deadline)
