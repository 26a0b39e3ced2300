"""A split of one endpoint type's traffic between implementations."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from serving.assignment import propensities
from serving.errors import ExperimentRefused

_NAME = re.compile(r"[A-Za-z0-9_]+")
"""A decision's id holds the experiment's and the variant's name between dots."""


@dataclass(frozen=True)
class Experiment:
    """Which implementations answer for which part of the units, and the goal that is counted.

    Attributes:
        name: also the salt of its assignment: an experiment of another name draws all units anew.
        endpoint: the endpoint type's name.
        split: variant, which is an implementation's name -> its part of the traffic; the first is the control.
        goal: name of the goal whose rewards are counted.

    Raises:
        ExperimentRefused: a name that a decision's id cannot hold, or a split that gives a variant nothing.
    """

    name: str
    endpoint: str
    split: Mapping[str, int]
    goal: str

    def __post_init__(self) -> None:
        for name in (self.name, *self.split):
            if not _NAME.fullmatch(name):
                raise ExperimentRefused(f"{name!r} cannot be the name of an experiment or a variant; use a-z, 0-9, _.")
        wrong = [name for name, part in self.split.items() if not isinstance(part, int) or part <= 0]
        if wrong or not self.split:
            what = f"{wrong[0]} has the part {self.split[wrong[0]]!r}" if wrong else "there is no variant"
            raise ExperimentRefused(f"The split of {self.name} gives each variant a part above 0, but {what}.")
        if min(propensities(self.split)) == 0:
            raise ExperimentRefused(f"The split of {self.name} gives a variant less than one unit in 10,000.")
