"""Nearly every event has a row of its own: 100,000 users."""

from __future__ import annotations

import millrace as mr


class PlaysOfUser(mr.FrameLearner):
    """How often each user has played something."""

    plays = mr.stream("plays", key="user")
    counts = mr.Counters("plays_of_user")

    def learn(self, batch: mr.Batch) -> None:
        self.counts.add(batch.frame, key="user")
