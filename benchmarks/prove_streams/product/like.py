"""One event at a time: whether a play will be liked, by River's logistic regression."""

from __future__ import annotations

from typing import Any

from river import linear_model, optim, preprocessing

import millrace as mr

from .events import Play


def model() -> Any:
    """Weights of the features, which are scaled as they come."""
    return preprocessing.StandardScaler() | linear_model.LogisticRegression(optim.SGD(0.05))


def features(event: Play) -> dict[str, float]:
    """The device, and three numbers."""
    return {event.device: 1.0, "seconds": event.seconds, "place": float(event.place), "hour": float(event.at.hour)}


class Likes(mr.EventLearner[Play]):
    """Learns from each play."""

    plays = mr.stream("plays", key="user")
    model = mr.Parameters("likes", factory=model)

    def learn(self, event: Play) -> None:
        self.model.value.learn_one(features(event), event.liked)
