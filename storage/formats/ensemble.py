"""The models of several units, asked together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any


class Ensemble:
    """Asks each unit's model and gives the mean of what they say: for supervised models whose weights have no mean.

    Attributes:
        models: one for each unit that has learned something, in the order of partitions.
    """

    def __init__(self, models: Sequence[Any]) -> None:
        self.models = tuple(models)

    def predict_proba_one(self, x: Any) -> dict[Any, float]:
        """The mean probability of each label; a label that a model does not know counts as 0 there."""
        totals: dict[Any, float] = {}
        for model in self.models:
            for label, probability in model.predict_proba_one(x).items():
                totals[label] = totals.get(label, 0.0) + probability / len(self.models)
        return totals

    def predict_one(self, x: Any) -> Any:
        """The mean of numbers; of labels the likeliest by `predict_proba_one`, or the most frequent where models give
        no probabilities. Of equal ones the first by name; None where no model has an answer."""
        said = [answer for model in self.models if (answer := model.predict_one(x)) is not None]
        if not said or any(isinstance(value, float) for value in said):
            return sum(said) / len(said) if said else None
        try:
            votes: dict[Any, float] = self.predict_proba_one(x)
        except (AttributeError, NotImplementedError):
            votes = {}
        votes = votes or {label: float(count) for label, count in Counter(said).items()}
        return min(votes, key=lambda label: (-votes[label], str(label)))
