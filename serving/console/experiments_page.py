"""What the Experiments page shows: one sentence, then decisions, rewards and their rate per variant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from serving.console import wording
from serving.measurements import ExperimentFigures, Flow, Measurements, VariantFigures


@dataclass(frozen=True, slots=True)
class Sentence:
    """The page's first line: `lead` is set bold."""

    lead: str
    text: str


@dataclass(frozen=True, slots=True)
class Counter:
    """Where a count comes from: the storage that holds it, the learner that keeps it, how far that is behind."""

    what: str
    storage: str | None
    learner: str | None
    behind: str


def context(measurements: Measurements, query: Mapping[str, str]) -> dict[str, Any]:
    """Values for experiments.html. `experiment` in the query names the one to show; without it the first is shown."""
    found = measurements.experiments()
    chosen = next((item for item in found if item.name == query.get("experiment")), found[0] if found else None)
    if chosen is None:
        return {"experiments": [], "chosen": None}
    flow = measurements.flow()
    rates = [variant.rate for variant in chosen.variants if variant.rate is not None]
    return {
        "experiments": found,
        "chosen": chosen,
        "title": title(chosen),
        "sentence": sentence(chosen),
        "highest": max((max(variant.course, default=0.0) for variant in chosen.variants), default=0.0),
        "scale": max(rates, default=0.0),
        "counters": counters(chosen, flow) if flow else [],
        "status": "" if chosen.decisions else f"{chosen.name} has no decisions yet.",
        "stale": flow is None or chosen.counted is None or flow.at - chosen.counted > 0.5,
    }


def title(experiment: ExperimentFigures) -> str:
    """The question that the experiment asks."""
    control, *others = [variant.name for variant in experiment.variants]
    if len(others) == 1:
        return f"Does {others[0]} beat {control}?"
    return f"Does any of {', '.join(others)} beat {control}?" if others else f"How does {control} do?"


def sentence(experiment: ExperimentFigures) -> Sentence:
    """What can be said honestly from counts alone: the rates, and that a difference may be chance."""
    if experiment.decisions is None:
        return Sentence("Not counted yet.", "No learner has counted a decision of this experiment so far.")
    if experiment.decisions == 0:
        return Sentence("No decisions yet.", f"Ask {experiment.endpoint} and they are counted here as they come.")
    control, *others = experiment.variants
    if any(variant.rate is None for variant in experiment.variants):
        missing = [variant.name for variant in experiment.variants if not variant.decisions]
        what = f"{', '.join(missing)} has no decisions yet" if missing else "nobody counts the rewards yet"
        return Sentence("Too early to tell:", f"{what}. The counts below are complete and live.")
    parts = ", ".join(_of(variant) for variant in (*others, control))
    return Sentence(
        "Too early to tell:",
        f"the goal {experiment.goal} was reached after {parts}. Whether that is more than chance is not computed yet: "
        "ranges that hold however often you look come later. Looking early does no harm.",
    )


def _of(variant: VariantFigures) -> str:
    return f"{wording.percent(variant.rate)} of {wording.plural(variant.decisions or 0, 'decision')} of {variant.name}"


def counters(experiment: ExperimentFigures, flow: Flow) -> list[Counter]:
    """The two counts that the results rest on, each as fresh as its learner."""
    wanted = {
        "Decisions": "experiment_decisions",
        f"Rewards ({experiment.goal})": f"experiment_rewards_{experiment.goal}",
    }
    return [_counter(what, name, flow) for what, name in wanted.items()]


def _counter(what: str, name: str, flow: Flow) -> Counter:
    storage = next((item for item in flow.storages if item.descriptor.name == name), None)
    if storage is None:
        return Counter(what, None, None, wording.UNKNOWN)
    return Counter(what, storage.title, storage.descriptor.writer, wording.behind(storage.behind))
