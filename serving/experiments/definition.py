"""An experiment as it is written down: what it is, which buckets it owns, how it stands, and who changed what.

The value of a row of the topic `experiments`, whose key is the experiment's name. It is JSON; `docs/experiments.md`
says its shape for readers in other languages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Literal, NamedTuple

import msgspec

from serving.assignment import BUCKETS, Range, bounds, shares_of, size
from serving.errors import ExperimentRefused
from serving.experiment import Experiment, buckets_of

FORMAT = 1
"""The layout that this release writes, and the only one that it reads."""
KEPT = 100
"""So many of the newest changes are kept with an experiment."""
State = Literal["draft", "running", "stopped", "shipped"]


class Variant(msgspec.Struct, frozen=True):
    """One variant: an implementation's name, and its part of the experiment's units."""

    name: str
    part: int


class Split(msgspec.Struct, frozen=True):
    """How the units are split from one period on, until there is a later one.

    Attributes:
        number: of the period: the whole periods since 1970.
        ends: for each variant the first bucket that is not its own any more; the last is 10,000.
    """

    number: int
    ends: tuple[int, ...]


class Drawn(NamedTuple):
    """How units are drawn among the variants: the salt, where the buckets of each end, and since when, in seconds since
    1970; None where the split stays."""

    salt: str
    ends: Sequence[int]
    since: int | None = None

    @property
    def propensities(self) -> Sequence[float]:
        """For each variant its buckets over all."""
        return shares_of(self.ends)


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One line of an experiment's history.

    Attributes:
        at: when, as ISO 8601 in UTC; empty where it was declared in code.
        by: who, as that one said.
        action: `declare`, `create`, `start`, `ramp`, `ship`, `stop` or `rollback`.
        what: what is different since then, in words.
        note: why, as that one said.
    """

    at: str
    by: str
    action: str
    what: str
    note: str = ""


class Definition(msgspec.Struct, frozen=True, kw_only=True):
    """An experiment with its state.

    Attributes:
        shadow: it answers copies of requests; see `Experiment`.
        period_s: seconds after which the split is anew that of Thompson sampling; 0 = it stays as `variants` say.
        splits: of the newest periods, the oldest first; none where the split stays.
        ranges: what it owns of its layer's buckets while it runs, in the order in which it took them; while it does not
            run, what it will take again if that is free.
        shipped: the variant that answers for everybody; None unless the state is `shipped`.
        revision: larger than that of everything that was written before; 0 = it is only declared in code.
        history: the newest changes, the oldest first.
        left_out: older changes that are not kept.
    """

    format: int = FORMAT
    name: str
    endpoint: str
    variants: tuple[Variant, ...]
    goal: str
    layer: str
    ramp: float
    state: State
    shadow: bool = False
    period_s: int = 0
    splits: tuple[Split, ...] = ()
    ranges: tuple[Range, ...] = ()
    shipped: str | None = None
    revision: int = 0
    history: tuple[Change, ...] = ()
    left_out: int = 0

    @classmethod
    def of(cls, experiment: Experiment, state: State) -> Definition:
        """What an experiment declares, without buckets and history."""
        return cls(
            name=experiment.name,
            endpoint=experiment.endpoint,
            variants=tuple(Variant(name, part) for name, part in experiment.split.items()),
            goal=experiment.goal,
            layer=experiment.own_layer,
            ramp=float(experiment.ramp),
            state=state,
            shadow=experiment.shadow,
            period_s=0 if experiment.period is None else int(experiment.period.total_seconds()),
        )

    @property
    def split(self) -> Mapping[str, int]:
        """Variant -> part."""
        return {variant.name: variant.part for variant in self.variants}

    @property
    def running(self) -> bool:
        """Whether it answers for units now."""
        return self.state == "running"

    @property
    def period(self) -> timedelta | None:
        """As `Experiment` has it."""
        return timedelta(seconds=self.period_s) if self.period_s else None

    def number(self, at: float) -> int:
        """The number of the period at a moment, in seconds since 1970."""
        return int(at // self.period_s)

    def drawn(self, at: float) -> Drawn:
        """How units are drawn at a moment: by the newest split whose period has begun. Its number is part of the salt,
        so that each unit is drawn anew."""
        begun = [split for split in self.splits if split.number * self.period_s <= at]
        if not begun:
            return Drawn(self.name, bounds(self.split))
        split = max(begun, key=lambda split: split.number)
        return Drawn(f"{self.name}/{split.number}", split.ends, split.number * self.period_s)

    def to_bytes(self) -> bytes:
        """The row."""
        return msgspec.json.encode(self)

    def with_change(self, change: Change) -> Definition:
        """The same with one more line of history."""
        history = (*self.history, change)
        left_out = self.left_out + max(0, len(history) - KEPT)
        return msgspec.structs.replace(self, history=history[-KEPT:], left_out=left_out)


def of_bytes(row: bytes, key: str) -> Definition:
    """Read what `to_bytes` wrote.

    Raises:
        ExperimentRefused: it has a layout that this release does not know, or makes no sense.
    """
    try:
        layout = msgspec.json.decode(row, type=_Layout).format
        if layout != FORMAT:
            raise ExperimentRefused(f"has the format {layout}, and this release reads {FORMAT}; upgrade what reads it")
        found = msgspec.json.decode(row, type=Definition)
        _check(found, key)
    except (msgspec.MsgspecError, UnicodeDecodeError, ExperimentRefused) as error:
        raise ExperimentRefused(f"The experiment {key[:100]!r} in the topic is left aside: {error}") from error
    return found


def now() -> str:
    """This moment, for a change."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class _Layout(msgspec.Struct):
    format: int


def _check(item: Definition, key: str) -> None:
    declared = Experiment(
        item.name,
        item.endpoint,
        item.split,
        item.goal,
        item.ramp,
        "" if item.shadow else item.layer,
        shadow=item.shadow,
    )
    if declared.own_layer != item.layer:
        raise ExperimentRefused(f"it is a shadow, and its layer is {item.layer}")
    if item.name != key or len(item.split) != len(item.variants):
        raise ExperimentRefused("its key and its name differ, or a variant is there twice")
    if item.state == "shipped" and item.shipped not in item.split:
        raise ExperimentRefused(f"it is shipped with {item.shipped}, which is none of its variants")
    if any(not 0 <= start < end <= BUCKETS for start, end in item.ranges):
        raise ExperimentRefused("one of its ranges lies outside the layer's buckets")
    if any(before[1] > after[0] for before, after in pairwise(sorted(item.ranges))):
        raise ExperimentRefused("two of its ranges overlap")
    if any(not _is_split(split, len(item.variants)) for split in item.splits) or (item.splits and not item.period_s):
        raise ExperimentRefused("one of its splits does not give each variant buckets")
    if item.running and size(item.ranges) != buckets_of(item.ramp):
        raise ExperimentRefused(f"its ranges have {size(item.ranges)} buckets, which is not {item.ramp:g} %")


def _is_split(split: Split, variants: int) -> bool:
    rising = all(before < after for before, after in pairwise((0, *split.ends)))
    return rising and len(split.ends) == variants and split.ends[-1] == BUCKETS
