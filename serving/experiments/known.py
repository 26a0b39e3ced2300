"""All experiments that are known at one moment: those written in the topic, and those declared in code. No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import msgspec

from serving.assignment import Range, owned, size
from serving.errors import ExperimentRefused
from serving.experiment import Experiment, buckets_of
from serving.experiments.definition import Change, Definition
from storage.formats.span import in_words

COMPARED = ("endpoint", "split", "goal", "layer", "ramp", "shadow", "period")
"""What code and topic may say differently of one experiment."""


class Known:
    """One moment's experiments, never changed.

    What is declared in code holds until somebody changes that experiment: from then on it is in the topic, and what
    stands there holds.

    Args:
        declared: by `declared`, of this process's code.
        recorded: by name, as the topic has them.

    Attributes:
        all: by name; those of the code first.
    """

    def __init__(self, declared: Mapping[str, Definition], recorded: Mapping[str, Definition]) -> None:
        self.declared, self.recorded = dict(declared), dict(recorded)
        self.all: Mapping[str, Definition] = {**self.declared, **self.recorded}

    def running(self) -> list[Definition]:
        """Those that answer for units, those of the topic first."""
        found = (item for item in self.all.values() if item.running and not item.shadow)
        return sorted(found, key=lambda item: item.revision == 0)

    def shadows(self) -> list[Definition]:
        """Those that answer copies of requests."""
        return [item for item in self.all.values() if item.running and item.shadow]

    def shipped(self, endpoint: str) -> Definition | None:
        """The experiment whose variant answers for everybody: the one that was shipped last, and not rolled back."""
        found = [item for item in self.all.values() if item.endpoint == endpoint and item.state == "shipped"]
        return max(found, key=lambda item: item.revision, default=None)

    def taken(self, layer: str, but: str) -> list[Range]:
        """The layer's buckets that other experiments than `but` own."""
        return [owned for item in self.running() if item.layer == layer and item.name != but for owned in item.ranges]

    def collision(self, item: Definition, others: Sequence[Definition]) -> str:
        """Why an experiment cannot run beside these, as a clause after its name; empty if it can."""
        for other in others:
            if other.endpoint == item.endpoint and other.layer != item.layer:
                return (
                    f"cannot run: {other.name} runs on {item.endpoint} in the layer {other.layer}, and a request has "
                    f"one variant: all experiments on one endpoint type are in one layer; put it into {other.layer} too"
                )
            if other.layer == item.layer and _overlap(other.ranges, item.ranges):
                return f"cannot run: {other.name} owns some of the same buckets of the layer {item.layer}"
        return ""

    def revision(self) -> int:
        """For what is written next."""
        return 1 + max((item.revision for item in self.all.values()), default=0)

    @cached_property
    def differences(self) -> Mapping[str, str]:
        """By name, where the topic says something else than the code does, in one sentence."""
        pairs = {name: (item, self.declared[name]) for name, item in self.recorded.items() if name in self.declared}
        return {name: said for name, (item, code) in pairs.items() if (said := _difference(item, code))}


def declared(experiments: Sequence[Experiment], source: str) -> dict[str, Definition]:
    """Experiments as the code declares them, each with its own buckets: by their order, whatever else runs.

    Raises:
        ExperimentRefused: two have one name, or cannot run beside each other.
    """
    known = Known({}, {})
    for experiment in experiments:
        if experiment.name in known.declared:
            raise ExperimentRefused(f"Two experiments are named {experiment.name}; rename one.")
        item = Definition.of(experiment, "draft" if experiment.draft else "running")
        if item.running:
            item = placed(item, known)
        change = Change(at="", by=source, action="declare", what=f"declared, {words(item)}")
        known = Known({**known.declared, item.name: item.with_change(change)}, {})
    return known.declared


def placed(item: Definition, known: Known) -> Definition:
    """An experiment that runs, with as many buckets of its layer as its ramp says.

    Raises:
        ExperimentRefused: others leave too little of the layer, or it cannot run beside them.
    """
    wanted, taken = buckets_of(item.ramp), known.taken(item.layer, item.name)
    ranges = owned(wanted, item.ranges, taken)
    if size(ranges) < wanted:
        names = [one.name for one in known.running() if one.layer == item.layer and one.name != item.name]
        leave = f"{', '.join(names)} {'leaves' if len(names) == 1 else 'leave'} {size(ranges) / 100:g} % of it"
        raise ExperimentRefused(
            f"{item.name} wants {item.ramp:g} % of the layer {item.layer}, and {leave}; ask for less, or stop another.",
            "ramp",
        )
    item = msgspec.structs.replace(item, ranges=tuple(ranges))
    if item.shadow:
        return item
    others = [one for one in known.running() if one.name != item.name]
    if why := known.collision(item, others):
        raise ExperimentRefused(f"{item.name} {why}.", "layer")
    return item


def words(item: Definition) -> str:
    """An experiment in words: "popular_now 50, personal 50 on recommend, 10 % of the layer recommend"."""
    split = ", ".join(f"{variant.name} {variant.part}" for variant in item.variants)
    if item.shadow:
        return f"{item.variants[0].name} in the shadow of {item.endpoint}, for {item.ramp:g} % of the units"
    anew = f", anew by rewards every {in_words(item.period_s * 1000)}" if item.period_s else ""
    return f"{split} on {item.endpoint}{anew}, {item.ramp:g} % of the layer {item.layer}"


def _difference(item: Definition, code: Definition) -> str:
    said = [
        f"{name} {_shown(getattr(code, name))} in the code and {_shown(getattr(item, name))} here"
        for name in COMPARED
        if _shown(getattr(code, name)) != _shown(getattr(item, name))
    ]
    if code.running and item.state != "running":
        said.append(f"running in the code and {item.state} here")
    return "; ".join(said)


def _shown(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {part}" for name, part in value.items())
    return f"{value:g} %" if isinstance(value, float) else str(value)


def _overlap(some: Sequence[Range], others: Sequence[Range]) -> bool:
    return any(a < d and c < b for a, b in some for c, d in others)
