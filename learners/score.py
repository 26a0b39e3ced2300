"""How well predictions fit what came: running sums in a bounded place, whatever the number of events."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

STEPS = 100
"""Points of a learning curve: each is of the events in one hundredth of what is folded."""
CLASSES = 1_000
"""The area under the curve is worked out from so many classes of predictions."""
_SURE = 1e-15

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Score:
    """What is known of predictions that were made before their events were learned.

    Attributes:
        binary: the truth is yes or no, and predictions are probabilities; else both are numbers.
    """

    binary: bool
    _count: Numbers = field(default_factory=lambda: np.zeros(STEPS))
    _truth: Numbers = field(default_factory=lambda: np.zeros(STEPS))
    _loss: Numbers = field(default_factory=lambda: np.zeros(STEPS))
    _square: Numbers = field(default_factory=lambda: np.zeros(STEPS))
    _classes: Numbers = field(default_factory=lambda: np.zeros((2, CLASSES)))

    @property
    def measure(self) -> str:
        """What the learning curve shows, and candidates are ordered by: the less the better."""
        return "log loss" if self.binary else "mean absolute error"

    @property
    def predictions(self) -> int:
        """How many were made."""
        return int(self._count.sum())

    def add(self, step: int, truth: Numbers, predicted: Numbers) -> None:
        """Take predictions and what came. Where one of the two is not a number, there was none.

        Args:
            step: of the curve, from 0 on.
        """
        known = ~(np.isnan(truth) | np.isnan(predicted))
        truth, predicted = truth[known], predicted[known]
        step = min(step, STEPS - 1)
        self._count[step] += len(truth)
        self._truth[step] += truth.sum()
        self._square[step] += ((truth - predicted) ** 2).sum()
        if not self.binary:
            self._loss[step] += np.abs(truth - predicted).sum()
            return
        sure = predicted.clip(_SURE, 1 - _SURE)
        self._loss[step] -= np.where(truth > 0, np.log(sure), np.log1p(-sure)).sum()
        places = (predicted.clip(0, 1) * (CLASSES - 1)).round().astype(np.int64)
        for yes in (0, 1):
            self._classes[yes] += np.bincount(places[truth == yes], minlength=CLASSES)

    def figures(self) -> Mapping[str, float]:
        """The measures over all predictions; none where there are none."""
        count = float(self._count.sum())
        if not count:
            return {}
        square, loss = float(self._square.sum()) / count, float(self._loss.sum()) / count
        if not self.binary:
            return {"mean absolute error": loss, "root mean squared error": math.sqrt(square)}
        return {"log loss": loss, "AUC": self._area(), "Brier score": square, "share": float(self._truth.sum()) / count}

    def curve(self) -> list[tuple[int, float]]:
        """Predictions so far, and the measure of those since the last point; no point where a model had run away, so
        that it is infinite."""
        ends = np.cumsum(self._count).astype(np.int64).tolist()
        return [
            (end, float(loss / count))
            for end, loss, count in zip(ends, self._loss, self._count, strict=True)
            if count and math.isfinite(loss)
        ]

    def _area(self) -> float:
        """The share of pairs of a no and a yes in which the yes has the higher prediction; equal ones count half
        (Fawcett 2006, *An introduction to ROC analysis*, section 7)."""
        no, yes = self._classes
        pairs = float(no.sum() * yes.sum())
        below = np.cumsum(no) - no
        return float((yes * (below + no / 2)).sum()) / pairs if pairs else math.nan
