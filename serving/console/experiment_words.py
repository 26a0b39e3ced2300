"""Definitions of experiments in the console's words: how each stands, whose traffic it is, what was changed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from serving.assignment import BUCKETS, size
from serving.console import wording
from serving.experiments.definition import Definition
from serving.experiments.fitting import Fit
from serving.experiments.known import Known
from storage.formats.span import in_words

ORDER = ("running", "draft", "shipped", "stopped")
STATES = {"running": "ok", "draft": "off", "shipped": "good", "stopped": "off"}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a history."""

    at: str
    by: str
    what: str
    note: str


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a layer, from 0 to 1; `name` is None for what nobody owns."""

    name: str | None
    part: float
    chosen: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """An experiment as its page shows it. `anew` says that its split follows the rewards; `actions` are what may be
    done to it now."""

    name: str
    endpoint: str
    variants: Sequence[str]
    split: str
    goal: str
    layer: str
    ramp: str
    state: str
    state_class: str
    shadow: bool
    anew: bool
    standing: str
    actions: Sequence[str]
    changed: str
    problem: str
    differs: str


ACTIONS = {
    "running": ("ship", "ramp", "stop"),
    "draft": ("start", "ramp", "stop"),
    "stopped": ("start", "ship"),
    "shipped": ("rollback",),
}
"""By state; the first is what is meant most often."""


def listed(known: Known, fit: Fit) -> list[Shown]:
    """All of them, those that run first, and of these the newest."""
    items = sorted(known.all.values(), key=lambda item: (ORDER.index(item.state), -item.revision, item.name))
    return [_shown(item, fit.aside.get(item.name, ""), known.differences.get(item.name, "")) for item in items]


def history(item: Definition) -> list[Line]:
    """What was changed, the newest first."""
    return [Line(_moment(one.at), one.by, one.what, one.note) for one in reversed(item.history)]


def shares(known: Known, layer: str, chosen: str) -> list[Share]:
    """Whose the traffic of a layer is."""
    items = [item for item in known.running() if item.layer == layer]
    found = [Share(item.name, size(item.ranges) / BUCKETS, item.name == chosen) for item in items]
    rest = BUCKETS - sum(size(item.ranges) for item in items)
    return [*found, Share(None, rest / BUCKETS, False)] if rest > 0 else found


def percent(ramp: float) -> str:
    """A ramp: `12.5 %`."""
    return f"{ramp:g}{wording.SPACE}%"


def _shown(item: Definition, problem: str, differs: str) -> Shown:
    newest = item.history[-1] if item.history else None
    return Shown(
        name=item.name,
        endpoint=item.endpoint,
        variants=list(item.split),
        split=_split(item),
        goal=item.goal,
        layer=item.layer,
        ramp=percent(item.ramp),
        state=item.state,
        state_class="bad" if problem else STATES[item.state],
        shadow=item.shadow,
        anew=item.period_s > 0,
        standing=_standing(item),
        actions=[action for action in ACTIONS[item.state] if action != "ship" or not item.shadow],
        changed=_moment(newest.at) if newest else "",
        problem=problem,
        differs=differs,
    )


def _split(item: Definition) -> str:
    """How units are split now: `popular_now 21.1 %, personal 78.9 %, anew by rewards every 1 h`."""
    total = sum(item.split.values())
    parts = [part / total for part in item.split.values()]
    if item.period_s:
        parts = list(item.drawn(time.time()).propensities)
    told = ", ".join(f"{name} {percent(round(100 * part, 1))}" for name, part in zip(item.split, parts, strict=True))
    return f"{told}, anew by rewards every {in_words(item.period_s * 1000)}" if item.period_s else told


def _standing(item: Definition) -> str:
    if item.state == "running" and item.shadow:
        return f"In the shadow, with copies for {percent(item.ramp)} of the units"
    if item.state == "running":
        whole = item.ramp == 100
        return "Running with all units of its layer" if whole else f"Running with {percent(item.ramp)} of the units"
    if item.state == "shipped":
        return f"Ended: {item.shipped} answers for everybody"
    return "Prepared, not started" if item.state == "draft" else "Stopped"


def _moment(at: str) -> str:
    """When something was changed; nothing for what the code declares, or for a text that is no time."""
    try:
        return wording.clock(datetime.fromisoformat(at).timestamp()) if at else ""
    except ValueError:
        return ""
