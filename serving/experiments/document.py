"""Experiments as JSON: how each stands, and a row for each variant with what was counted. No I/O."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from serving.experiments.definition import Definition
from serving.experiments.fitting import Fit
from serving.experiments.known import Known
from serving.measurements import ExperimentFigures, VariantFigures


def listed(known: Known, fit: Fit, figures: Sequence[ExperimentFigures], away: str) -> dict[str, Any]:
    """`GET /v1/experiments`: the experiments, and a row per variant of each that has run, the control first; null where
    nothing has been counted yet."""
    return {
        "experiments": [document(item, known, fit) for item in known.all.values()],
        "variants": [row for item in known.all.values() if _counted(item) for row in _rows(item, figures)],
        "away": away or None,
    }


def document(item: Definition, known: Known, fit: Fit) -> dict[str, Any]:
    """`GET /v1/experiments/{name}`: what is written, and how it is served here.

    `shares` are those of the units that each variant is given now, and `split_since` is when that began where the split
    follows the rewards; `split` is the one that it began with. `source` is `topic` or `code`; `differs` says what the
    code declares otherwise; `problem` says why this replica does not serve it as it is written.
    """
    found: dict[str, Any] = msgspec.to_builtins(item)
    del found["format"]
    return {
        **found,
        "split": dict(item.split),
        **_now(item),
        "source": "topic" if item.name in known.recorded else "code",
        "differs": known.differences.get(item.name),
        "problem": fit.aside.get(item.name),
    }


def _now(item: Definition) -> dict[str, Any]:
    drawn = item.drawn(time.time())
    since = None if drawn.since is None else datetime.fromtimestamp(drawn.since, UTC).isoformat()
    return {"shares": dict(zip(item.split, drawn.propensities, strict=True)), "split_since": since}


def _counted(item: Definition) -> bool:
    return item.state != "draft" and not item.shadow


def _rows(item: Definition, figures: Sequence[ExperimentFigures]) -> list[Mapping[str, Any]]:
    one = next((one for one in figures if one.name == item.name), None)
    found = {} if one is None else {variant.name: variant for variant in one.variants}
    rows, now = list[Mapping[str, Any]](), _now(item)
    for name, part in item.split.items():
        variant = found.get(name)
        rows.append(
            {
                "experiment": item.name,
                "endpoint": item.endpoint,
                "variant": name,
                "split": part,
                "share": now["shares"][name],
                "state": item.state,
                "decisions": variant.decisions if variant else None,
                "rewards": variant.rewards if variant else None,
                "rate": variant.rate if variant else None,
                **_results(one, variant),
            }
        )
    return rows


def _results(experiment: ExperimentFigures | None, variant: VariantFigures | None) -> Mapping[str, Any]:
    """What is known by unit: the lift over the control with its bounds, which hold at every look; null while there is
    too little, for the control, and where the units are not split as planned."""
    trusted = experiment is not None and not experiment.split_off
    found = variant.lift.lift if trusted and variant is not None and variant.lift is not None else None
    return {
        "units": variant.units if variant else None,
        "lift": found.estimate if found else None,
        "lift_low": found.low if found else None,
        "lift_high": found.high if found else None,
        "fallbacks": variant.fallbacks if variant else None,
        "p99_ms": variant.p99 if variant else None,
        "split_off": experiment.split_off if experiment is not None and experiment.split_evidence is not None else None,
    }
