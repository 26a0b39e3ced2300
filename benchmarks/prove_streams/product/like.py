"""One event at a time: whether a play will be liked, by River's logistic regression."""

from __future__ import annotations

from typing import Any

from river import linear_model, optim, preprocessing

import millrace as mr

from .events import Play


def model() -> Any:
    """Two features, scaled as they come."""
    return preprocessing.StandardScaler() | linear_model.LogisticRegression(optim.SGD(0.05))


class Likes(mr.EventLearner[Play]):
    """Learns from each play."""

    plays = mr.stream("plays", key="user")
    model = mr.Parameters("likes", factory=model)

    def learn(self, event: Play) -> None:
        self.model.value.learn_one({"seconds": event.seconds, "place": float(event.place)}, event.liked)
