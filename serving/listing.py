"""What the service says of itself as JSON: what may be asked. No I/O."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from serving.endpoint import Endpoint, Live
from serving.json_schema.compatibility import breaks


class Goal(Protocol):
    """What counts as a decision's reward: events of a topic, and their field that names the decision."""

    @property
    def name(self) -> str: ...
    @property
    def topic(self) -> str: ...
    @property
    def decision(self) -> str: ...


def index(endpoints: Mapping[str, Endpoint], goals: Sequence[Goal]) -> dict[str, Any]:
    """`GET /v1`: endpoint types with schemas, implementations and running experiments; goals with their topics."""
    return {
        "endpoints": [_endpoint(endpoint, _before(endpoint, endpoints)) for endpoint in endpoints.values()],
        "goals": {goal.name: {"topic": goal.topic, "decision": goal.decision} for goal in goals},
    }


def _before(endpoint: Endpoint, endpoints: Mapping[str, Endpoint]) -> Endpoint | None:
    """The version that is loaded before this one."""
    mine = endpoint.type
    earlier = [one for one in endpoints.values() if one.type.name == mine.name and one.type.version < mine.version]
    return max(earlier, key=lambda one: one.type.version, default=None)


def _endpoint(endpoint: Endpoint, before: Endpoint | None) -> dict[str, Any]:
    kind = endpoint.type
    return {
        "name": kind.name,
        "version": kind.version,
        "address": f"/v1/{kind.title}",
        "changes": [] if before is None else breaks(before.type.contract, kind.contract),
        "unit": kind.unit,
        "deadline_ms": endpoint.deadline * 1000,
        "fallback": kind.fallback,
        "last_good_s": endpoint.last_good,
        "default": None if endpoint.default is None else msgspec.Raw(endpoint.default),
        "request": kind.requests.schema,
        "response": kind.responses.schema,
        "implementations": [_implementation(live) for live in endpoint.lives.values()],
        "ordinary": endpoint.ordinary,
        "experiments": [
            {"name": item.name, "split": dict(item.split), "goal": item.goal, "ramp": item.ramp, "layer": item.layer}
            for item in endpoint.experiments
        ],
    }


def _implementation(live: Live) -> dict[str, Any]:
    item = live.implementation
    return {
        "name": item.name,
        "hash": item.hash,
        "description": inspect.getdoc(item.function) or "",
        "reads": live.reads,
        "error": live.error or live.rotation.fault,
        "out_of_rotation": live.rotation.since is not None,
    }
