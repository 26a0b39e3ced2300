"""How a variant's rate differs from the control's: one look, as plain numbers. No I/O."""

from __future__ import annotations

import math
from dataclasses import dataclass

from serving.statistics.comparison import Interval, Sums, compare


@dataclass(frozen=True, slots=True)
class Range:
    """An estimate between bounds that hold the truth at every look; None where there is no bound yet."""

    estimate: float
    low: float | None
    high: float | None

    @property
    def reach(self) -> float | None:
        """Half of its width."""
        return None if self.low is None or self.high is None else (self.high - self.low) / 2


@dataclass(frozen=True, slots=True)
class Lift:
    """A variant beside the control: `difference` of the two rates, and `lift`, which is that over the control's rate;
    None where the control's rate is 0."""

    difference: Range
    lift: Range | None

    @property
    def sign(self) -> int:
        """1 = better than the control, -1 = worse, whatever the look; 0 = cannot be told apart yet."""
        low, high = self.difference.low, self.difference.high
        if low is None or high is None:
            return 0
        return (low > 0) - (high < 0)


def lift(control: Sums | None, variant: Sums | None, error: float) -> Lift | None:
    """Compare; None where rewards are not counted, or one of the two has no decision."""
    if control is None or variant is None or not (control.decisions.any() and variant.decisions.any()):
        return None
    found = compare(control, variant, error)
    relative = None if not control.rewards.any() else _range(found.lift)
    return Lift(_range(found.difference), relative)


def _range(interval: Interval) -> Range:
    low, high = float(interval.low), float(interval.high)
    if not math.isfinite(high):
        return Range(float(interval.estimate), None, None)
    return Range(float(interval.estimate), low, high)
