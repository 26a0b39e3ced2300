"""What may be done to an experiment, each as a function from what is known to what is written. No I/O.

draft ──start──▶ running ──stop──▶ stopped ──start──▶ running
running | stopped ──ship──▶ shipped ──rollback──▶ stopped
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import msgspec

from serving.assignment import bounds
from serving.errors import ExperimentConflict, ExperimentRefused, ExperimentUnknown
from serving.experiment import Experiment, buckets_of
from serving.experiments.definition import Change, Definition, Split, now
from serving.experiments.known import COMPARED, Known, placed, words
from serving.experiments.thompson import Counts, chances, split_ends

LONGEST_WHO = 100
"""Characters of who changes something."""
KEPT_SPLITS = 3
"""So many periods' splits are kept: that of now, of the next one, and of the one before."""
LONGEST_NOTE = 500
"""Characters of why."""


@dataclass(frozen=True)
class Who:
    """Who changes something, and why, in that one's own words. Both are shown on terminals and to others.

    Raises:
        ExperimentRefused: they are too long, or not printable.
    """

    by: str
    note: str = ""

    def __post_init__(self) -> None:
        for name, text, longest in (("by", self.by, LONGEST_WHO), ("note", self.note, LONGEST_NOTE)):
            if len(text) > longest or not text.isprintable():
                raise ExperimentRefused(f"{name} has at most {longest} characters, all of them printable.", name)


class Served(Protocol):
    """What experiments may be about: endpoint types by title, each with its implementations, and goals."""

    @property
    def implementations(self) -> Mapping[str, Collection[str]]: ...
    @property
    def goals(self) -> Collection[str]: ...
    @property
    def once(self) -> Collection[str]:
        """The goals that count a decision once at most."""


Changing = Callable[[Known], Definition | None]
"""What is to be written, given what is known at that moment; None = it is so already."""


def create(experiment: Experiment, who: Who, served: Served) -> Changing:
    """An experiment that was not there, or was a draft; it runs at once unless it is a draft itself.

    Raises, when it is called:
        ExperimentRefused: it names what is not loaded, or cannot run beside others.
        ExperimentConflict: another experiment has this name, or had it.
    """

    def changed(known: Known) -> Definition | None:
        _must_be_served(experiment, served)
        before = known.all.get(experiment.name)
        item = Definition.of(experiment, "draft" if experiment.draft else "running")
        if before is not None and before.state != "draft":
            if before.state == item.state and _same(before, item):
                return None
            raise ExperimentConflict(
                f"There is an experiment {experiment.name} already, {before.state}, and its counts are kept under its "
                "name; change its ramp, stop or ship it, or give the new one another name."
            )
        if before is not None:
            item = msgspec.structs.replace(item, history=before.history, left_out=before.left_out)
        what = f"{'prepared' if experiment.draft else 'started'}, {words(item)}"
        return _written(item, known, who, "create", what)

    return changed


def prepare(experiment: Experiment, who: Who, served: Served) -> Changing:
    """A draft, whatever it declares itself to be, where no experiment has its name; one that has stays as it is.

    Raises, when it is called:
        ExperimentRefused: it names what is not loaded.
        ExperimentConflict: the one that is there is another experiment.
    """

    def changed(known: Known) -> Definition | None:
        before = known.all.get(experiment.name)
        if before is None:
            return create(replace(experiment, draft=True), who, served)(known)
        if not _same(before, Definition.of(experiment, before.state)):
            raise ExperimentConflict(f"there is one already, {before.state}, which differs from it and stays as it is.")
        return None

    return changed


def start(name: str, who: Who, served: Served, ramp: float | None = None) -> Changing:
    """A draft begins, or a stopped one goes on: each unit gets the variant that it had. Raises as `create` does."""

    def changed(known: Known) -> Definition | None:
        before = _found(known, name)
        if before.running and ramp in (None, before.ramp):
            return None
        _must_be(before, "start", "draft", "stopped")
        item = msgspec.structs.replace(before, state="running", ramp=float(before.ramp if ramp is None else ramp))
        buckets_of(item.ramp)
        _must_be_served(item, served)
        return _written(item, known, who, "start", f"started with {_traffic(item)}")

    return changed


def ramp(name: str, to: float, who: Who) -> Changing:
    """More or less of the traffic: nobody changes the variant, and only those who must come in or go out."""

    def changed(known: Known) -> Definition | None:
        before = _found(known, name)
        buckets_of(to)
        if before.ramp == to and before.state in ("running", "draft"):
            return None
        _must_be(before, "ramp", "running", "draft")
        item = msgspec.structs.replace(before, ramp=float(to))
        return _written(item, known, who, "ramp", f"from {before.ramp:g} % to {_traffic(item)}")

    return changed


def ship(name: str, variant: str, who: Who, served: Served) -> Changing:
    """A variant answers for everybody who is in no experiment, in place of the endpoint type's first implementation."""

    def changed(known: Known) -> Definition | None:
        before = _found(known, name)
        if variant not in before.split:
            raise ExperimentRefused(f"{name} has no variant {variant!r}; it has {', '.join(before.split)}.", "variant")
        if before.state == "shipped" and before.shipped == variant:
            return None
        _must_be(before, "ship", "running", "stopped")
        if before.shadow:
            raise ExperimentConflict(f"{name} is a shadow, which nobody got answers of; try it in an experiment first.")
        loaded = served.implementations.get(before.endpoint, ())
        if variant not in loaded:
            raise ExperimentRefused(f"{before.endpoint} has no implementation {variant} now, so that it cannot ship.")
        item = msgspec.structs.replace(before, state="shipped", shipped=variant)
        return _written(item, known, who, "ship", f"{variant} answers for everybody on {item.endpoint}")

    return changed


def stop(name: str, who: Who) -> Changing:
    """It answers for nobody any more; everybody gets what they would without it."""

    def changed(known: Known) -> Definition | None:
        before = _found(known, name)
        if before.state == "stopped":
            return None
        _must_be(before, "stop", "running", "draft")
        item = msgspec.structs.replace(before, state="stopped")
        return _written(item, known, who, "stop", f"{before.endpoint} answers as it does without it")

    return changed


def rollback(name: str, who: Who) -> Changing:
    """A shipped variant answers no longer for everybody: what did so before it was shipped does again."""

    def changed(known: Known) -> Definition | None:
        before = _found(known, name)
        _must_be(before, "rollback", "shipped")
        item = msgspec.structs.replace(before, state="stopped", shipped=None)
        after = Known(known.declared, {**known.recorded, name: item}).shipped(item.endpoint)
        instead = f"{after.shipped}, shipped by {after.name}," if after is not None else "its first implementation"
        return _written(item, known, who, "rollback", f"{instead} answers for everybody on {item.endpoint} again")

    return changed


def allocate(name: str, number: int, counts: Sequence[Counts]) -> Changing:
    """The split of a period of Thompson sampling, by what was counted; nothing where somebody has written it already,
    or the experiment has ended."""

    def changed(known: Known) -> Definition | None:
        before = _found(known, name)
        if not (before.running and before.period_s) or any(split.number >= number for split in before.splits):
            return None
        splits = (*before.splits, Split(number, split_ends(chances(counts))))[-KEPT_SPLITS:]
        return msgspec.structs.replace(before, splits=splits, revision=known.revision())

    return changed


def _written(item: Definition, known: Known, who: Who, action: str, what: str) -> Definition:
    if item.running:
        item = placed(item, known)
        if item.period_s and not item.splits:
            first = Split(item.number(time.time()), tuple(bounds(item.split)))
            item = msgspec.structs.replace(item, splits=(first,))
    change = Change(at=now(), by=who.by, action=action, what=what, note=who.note)
    return msgspec.structs.replace(item, revision=known.revision()).with_change(change)


def _found(known: Known, name: str) -> Definition:
    found = known.all.get(name)
    if found is None:
        raise ExperimentUnknown(name, list(known.all))
    return found


def _must_be(item: Definition, action: str, *states: str) -> None:
    if item.state not in states:
        raise ExperimentConflict(
            f"{item.name} is {item.state}, and {action} is for one that is {' or '.join(states)}; nothing was changed."
        )


def _must_be_served(item: Experiment | Definition, served: Served) -> None:
    loaded = served.implementations.get(item.endpoint)
    if loaded is None:
        known = ", ".join(served.implementations) or "none"
        raise ExperimentRefused(f"There is no endpoint type {item.endpoint!r}; there are: {known}.", "endpoint")
    for variant in item.split:
        if variant not in loaded:
            raise ExperimentRefused(
                f"{item.endpoint} has no implementation {variant!r}; it has {', '.join(loaded)}.", "split"
            )
    if not item.shadow and item.goal not in served.goals:
        known = ", ".join(served.goals) or "none; declare one in product.toml under [goals.<name>]"
        raise ExperimentRefused(f"There is no goal {item.goal!r}; there are: {known}.", "goal")
    if item.period is not None and item.goal not in served.once:
        words = f"Thompson sampling needs a goal that counts a decision once; {item.goal} may count it several times."
        raise ExperimentRefused(words, "goal")


def _traffic(item: Definition) -> str:
    return f"{item.ramp:g} % of the {'units' if item.shadow else f'layer {item.layer}'}"


def _same(before: Definition, item: Definition) -> bool:
    """Whether nothing differs that an experiment is created with; of the split the order counts too."""
    return all(getattr(before, name) == getattr(item, name) for name in (*COMPARED, "variants"))
