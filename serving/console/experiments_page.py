"""What the Experiments page shows: the finding in one sentence, the lift over time, variants, and checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from serving.console import wording
from serving.console.lift_chart import Line, lift_bars, lift_chart
from serving.measurements import ExperimentFigures, Flow, Lift, Measurements, VariantFigures

SERIES = 3
"""Colours for lines; the control has the first."""
HOLDS = "This holds however often you look."


@dataclass(frozen=True, slots=True)
class Sentence:
    """The page's first line: `lead` is set bold; `state` is `good`, `warn`, `bad` or nothing."""

    lead: str
    text: str
    state: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """One line of whether a result may be trusted: its outcome in a state's class and words, and what each variant
    has."""

    what: str
    state: str
    outcome: str
    values: Sequence[str]


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
    return measured(measurements, chosen)


def measured(measurements: Measurements, chosen: ExperimentFigures | None) -> dict[str, Any]:
    """What one experiment has shown."""
    if chosen is None:
        return {"chosen": None}
    flow = measurements.flow()
    others = chosen.variants[1:]
    lines = [
        Line(variant.name, min(number, SERIES), measurements.course(chosen.name, variant.name))
        for number, variant in enumerate(others, 2)
    ]
    return {
        "chosen": chosen,
        "title": title(chosen),
        "sentence": sentence(chosen),
        "chart": None if chosen.split_off else lift_chart(lines),
        "bars": lift_bars([variant.lift for variant in others]),
        "checks": checks(chosen),
        "counters": counters(chosen, flow) if flow else [],
        "status": status(chosen),
        "stale": flow is None or chosen.counted is None or flow.at - chosen.counted > 0.5,
    }


def title(experiment: ExperimentFigures) -> str:
    """The question that the experiment asks."""
    control, *others = [variant.name for variant in experiment.variants]
    if len(others) == 1:
        return f"Does {others[0]} beat {control}?"
    return f"Does any of {', '.join(others)} beat {control}?" if others else f"How does {control} do?"


def sentence(experiment: ExperimentFigures) -> Sentence:
    """What the counts say and what they do not, in one line."""
    if experiment.decisions is None:
        return Sentence("Not counted yet.", "No learner has counted a decision of this experiment so far.")
    if experiment.decisions == 0:
        return Sentence("No decisions yet.", f"Ask {experiment.endpoint} and they are counted here as they come.")
    if experiment.split_off:
        return Sentence(
            "Do not trust this experiment:",
            "its units are not split as planned, so that the variants have different units and no comparison is fair. "
            "Its lift is not shown. Look for what drops, repeats or redirects the requests of one variant; then start "
            "an experiment of another name.",
            "bad",
        )
    control, *others = experiment.variants
    if any(variant.rate is None for variant in experiment.variants):
        missing = [variant.name for variant in experiment.variants if not variant.decisions]
        what = f"{', '.join(missing)} has no decisions yet" if missing else "nobody counts the rewards yet"
        return Sentence("Too early to tell:", f"{what}. The counts below are complete and live.")
    told = sorted((variant for variant in others if _sign(variant.lift)), key=_lift, reverse=True)
    rest = [variant for variant in others if not _sign(variant.lift)]
    if not told:
        return Sentence("Too early to tell:", " ".join(_open(variant, control.name) for variant in others))
    first = told[0]
    better = _sign(first.lift) > 0
    text = " ".join([*(_found(variant, control.name) for variant in told), HOLDS, *(_untold(rest, control.name))])
    lead = f"{first.name} is better:" if better else f"{control.name} is better:"
    return Sentence(lead, text, "good" if better else "warn")


def status(experiment: ExperimentFigures) -> str:
    """What is told to those who hear the page, once, when it changes."""
    if not experiment.decisions:
        return f"{experiment.name} has no decisions yet."
    lead = sentence(experiment).lead
    return "" if lead.startswith("Too early") else f"{experiment.name}: {lead.removesuffix(':')}"


def _sign(comparison: Lift | None) -> int:
    """As `Lift` has it; 0 also where there is nothing to compare."""
    return 0 if comparison is None else comparison.sign


def _lift(variant: VariantFigures) -> float:
    return variant.lift.difference.estimate if variant.lift is not None else 0.0


def _found(variant: VariantFigures, control: str) -> str:
    """`personal has 2.1 % more rewards per decision than popular_now, with 95 % confidence between ...`."""
    comparison = variant.lift
    if comparison is None or comparison.lift is None or comparison.lift.low is None:
        return f"{variant.name} differs from {control}."
    found, word = comparison.lift, "more" if comparison.sign > 0 else "fewer"
    bounds = sorted(abs(bound) for bound in (found.low, found.high) if bound is not None)
    low, high = (wording.percent(bound) for bound in bounds)
    return (
        f"{variant.name} has {wording.percent(abs(found.estimate))} {word} rewards per decision than {control}, with "
        f"95 % confidence between {low} and {high} {word}."
    )


def _open(variant: VariantFigures, control: str) -> str:
    """What can be said of a variant that cannot be told apart from the control."""
    found = None if variant.lift is None else variant.lift.lift
    if found is None or found.low is None:
        return f"there are too few units for a range of {variant.name}'s lift over {control}."
    return (
        f"{variant.name}'s lift over {control} is between {wording.signed_percent(found.low)} and "
        f"{wording.signed_percent(found.high)}, with 95 % confidence. Looking early does no harm."
    )


def _untold(rest: Sequence[VariantFigures], control: str) -> list[str]:
    names = ", ".join(variant.name for variant in rest)
    return [f"{names} cannot be told apart from {control} yet."] if rest else []


def checks(experiment: ExperimentFigures) -> list[Check]:
    """Whether the result may be trusted, and what it costs beside rewards."""
    variants = experiment.variants
    total = sum(variant.units or 0 for variant in variants)
    if experiment.split_evidence is None:
        split = ("off", "not judged")
    else:
        split = ("bad", "not as planned") if experiment.split_off else ("ok", "as planned")
    slower = [variant.name for variant in variants[1:] if _much_slower(variant, variants[0])]
    failing = [v.name for v in variants[1:] if _sign(v.more_fallbacks) > 0]
    fewer = [v.name for v in variants[1:] if _sign(v.more_fallbacks) < 0]
    return [
        Check(
            "Units as split",
            *split,
            [wording.percent(v.units / total if v.units and total else None) for v in variants],
        ),
        Check("Time to answer, p99", *_against(slower, "slower"), [_milliseconds(v.p99) for v in variants]),
        Check(
            "Given by fallback",
            *(_against(failing, "more often") if failing or not fewer else ("ok", f"{', '.join(fewer)} less often")),
            [wording.percent(v.fallbacks) for v in variants],
        ),
    ]


def _against(names: Sequence[str], what: str) -> tuple[str, str]:
    return ("warn", f"{', '.join(names)} {what}") if names else ("ok", "no worse")


def _much_slower(variant: VariantFigures, control: VariantFigures) -> bool:
    """By more than one step of the counted latencies, which are a quarter apart."""
    return variant.p99 is not None and control.p99 is not None and variant.p99 > 1.5 * control.p99


def _milliseconds(value: float | None) -> str:
    return wording.milliseconds(None if value is None else value / 1000)


def counters(experiment: ExperimentFigures, flow: Flow) -> list[Counter]:
    """The counts that the results rest on, each as fresh as its learner."""
    wanted = {
        "Decisions": "experiment_decisions",
        "Units, latency, fallbacks": "experiment_measures",
        f"Rewards ({experiment.goal})": f"experiment_rewards_{experiment.goal}",
    }
    return [_counter(what, name, flow) for what, name in wanted.items()]


def _counter(what: str, name: str, flow: Flow) -> Counter:
    storage = next((item for item in flow.storages if item.descriptor.name == name), None)
    if storage is None:
        return Counter(what, None, None, wording.UNKNOWN)
    return Counter(what, storage.title, storage.descriptor.writer, wording.behind(storage.behind))
