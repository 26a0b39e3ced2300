"""What the service says of itself as JSON: what may be asked, and how experiments do. No I/O."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Protocol

import msgspec

from serving.endpoint import Endpoint, Live
from serving.experiment import Experiment
from serving.measurements import ExperimentFigures


class Goal(Protocol):
    """What counts as a decision's reward: events of a topic, and their field that names the decision."""

    @property
    def name(self) -> str: ...
    @property
    def topic(self) -> str: ...
    @property
    def decision(self) -> str: ...


def index(endpoints: Mapping[str, Endpoint], goals: Sequence[Goal]) -> dict[str, Any]:
    """`GET /v1`: endpoint types with their schemas, implementations and running experiment; goals with their topics."""
    return {
        "endpoints": [_endpoint(endpoint) for endpoint in endpoints.values()],
        "goals": {goal.name: {"topic": goal.topic, "decision": goal.decision} for goal in goals},
    }


def variants(experiments: Sequence[Experiment], found: Sequence[ExperimentFigures]) -> dict[str, Any]:
    """`GET /v1/experiments`: a row per variant, the control first; null where nothing has been counted yet."""
    figures = {(item.name, variant.name): variant for item in found for variant in item.variants}
    rows = []
    for experiment in experiments:
        for name, part in experiment.split.items():
            variant = figures.get((experiment.name, name))
            rows.append(
                {
                    "experiment": experiment.name,
                    "endpoint": experiment.endpoint,
                    "variant": name,
                    "split": part,
                    "decisions": variant.decisions if variant else None,
                    "rewards": variant.rewards if variant else None,
                    "rate": variant.rate if variant else None,
                }
            )
    return {"variants": rows}


def _endpoint(endpoint: Endpoint) -> dict[str, Any]:
    kind, experiment = endpoint.type, endpoint.experiment
    return {
        "name": kind.name,
        "version": kind.version,
        "unit": kind.unit,
        "deadline_ms": endpoint.deadline * 1000,
        "request": msgspec.json.schema(kind.request),
        "response": msgspec.json.schema(kind.response),
        "implementations": [_implementation(live) for live in endpoint.lives.values()],
        "experiment": None if experiment is None else asdict(experiment),
    }


def _implementation(live: Live) -> dict[str, Any]:
    item = live.implementation
    return {
        "name": item.name,
        "hash": item.hash,
        "description": inspect.getdoc(item.function) or "",
        "reads": live.reads,
        "error": live.error,
    }
