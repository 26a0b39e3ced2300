"""A split of one endpoint type's traffic between implementations."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from serving.assignment import BUCKETS, propensities
from serving.errors import ExperimentRefused

_NAME = re.compile(r"[A-Za-z0-9_]{1,100}")
"""A decision's id holds the experiment's and the variant's name between dots."""
_LAYER = re.compile(r"[A-Za-z0-9_]{1,100}(@[0-9]{1,9})?")
"""A layer is named like an endpoint type unless it is given a name."""
SHADOW = "shadow/"
"""Before a shadow's name in that of its layer: it takes no units from any experiment."""
MOST = 20
"""Variants that one experiment has at most."""
SHORTEST, LONGEST = timedelta(minutes=1), timedelta(days=30)
"""Periods of Thompson sampling."""
LARGEST = 1_000_000
"""The largest part of a split."""


@dataclass(frozen=True)
class Experiment:
    """Which implementations answer for which part of the units, and the goal that is counted.

    Attributes:
        name: also the salt of its assignment: an experiment of another name draws all units anew.
        endpoint: the endpoint type's name.
        split: variant, which is an implementation's name -> its part of the traffic; the first is the control.
        goal: name of the goal whose rewards are counted.
        ramp: per cent of the units that are in the experiment, in steps of 0.01; the others get the ordinary answer.
        layer: experiments of one layer share no unit; those of different layers are independent. Empty = the layer of
            the endpoint type's name.
        draft: it is declared, and begins only when it is started.
        shadow: the one implementation of the split answers copies of live requests; its answers are logged and
            compared, and nobody gets them. It has no goal, and a layer of its own.
        period: after each period the split is anew that of Thompson sampling by the rewards so far, and each unit is
            drawn anew; `split` is that of the first. Whole seconds, a minute to thirty days. None = it stays.

    Raises:
        ExperimentRefused: a name that a decision's id cannot hold, or a split that gives a variant nothing.
    """

    name: str
    endpoint: str
    split: Mapping[str, int]
    goal: str = ""
    ramp: float = 100.0
    layer: str = ""
    draft: bool = False
    shadow: bool = False
    period: timedelta | None = None

    def __post_init__(self) -> None:
        for name in (self.name, *self.split):
            if not isinstance(name, str) or not _NAME.fullmatch(name):
                words = f"{name!r} cannot be the name of an experiment or a variant; use a-z, 0-9, _."
                raise ExperimentRefused(words, "name" if name == self.name else "split")
        if self.layer and not _LAYER.fullmatch(self.layer):
            raise ExperimentRefused(f"{self.layer!r} cannot be the name of a layer; use a-z, 0-9, _.", "layer")
        if not _LAYER.fullmatch(self.endpoint):
            words = f"{self.endpoint!r} is no endpoint type's name, such as recommend or recommend@2."
            raise ExperimentRefused(words, "endpoint")
        self._check_split()
        buckets_of(self.ramp)
        if self.shadow and (len(self.split) > 1 or self.goal or self.layer):
            words = f"{self.name} is a shadow, with one implementation and neither goal nor layer."
            raise ExperimentRefused(words, "split" if len(self.split) > 1 else "goal" if self.goal else "layer")
        if not self.shadow and not self.goal:
            raise ExperimentRefused(f"{self.name} has no goal, whose rewards would be counted; name one.", "goal")
        if self.period is not None:
            self._check_period(self.period)

    @property
    def own_layer(self) -> str:
        """The layer that it is in."""
        return f"{SHADOW}{self.name}" if self.shadow else self.layer or self.endpoint

    def _check_period(self, period: timedelta) -> None:
        if not SHORTEST <= period <= LONGEST or period % timedelta(seconds=1):
            words = f"The period of {self.name} is a minute to thirty days, in whole seconds, not {period}."
            raise ExperimentRefused(words, "period")
        if self.shadow or len(self.split) < 2:
            raise ExperimentRefused(f"{self.name} has no second variant that rewards could choose.", "period")

    def _check_split(self) -> None:
        wrong = [name for name, part in self.split.items() if not _is_part(part)]
        if wrong or not self.split:
            what = f"{wrong[0]} has the part {self.split[wrong[0]]!r}" if wrong else "there is no variant"
            raise ExperimentRefused(f"The split of {self.name} gives each variant a part above 0, but {what}.", "split")
        if len(self.split) > MOST:
            raise ExperimentRefused(f"{self.name} has {len(self.split)} variants; {MOST} are the most.", "split")
        if min(propensities(self.split)) == 0:
            raise ExperimentRefused(f"The split of {self.name} gives a variant less than one unit in 10,000.", "split")


def _is_part(part: Any) -> bool:
    return isinstance(part, int) and not isinstance(part, bool) and 0 < part <= LARGEST


def buckets_of(ramp: float) -> int:
    """So many of a layer's 10,000 buckets are so many per cent.

    Raises:
        ExperimentRefused: it is no number above 0 up to 100, or has more than two decimals.
    """
    if isinstance(ramp, int | float) and not isinstance(ramp, bool) and 0 < ramp <= 100:
        buckets = round(ramp * BUCKETS / 100)
        if abs(buckets - ramp * BUCKETS / 100) < 1e-6:
            return buckets
    words = f"The ramp is a number of per cent above 0 and up to 100, in steps of 0.01, not {ramp!r}."
    raise ExperimentRefused(words, "ramp")
