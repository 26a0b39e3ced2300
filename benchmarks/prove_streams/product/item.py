"""Many events share a row: 10,000 songs."""

from __future__ import annotations

import millrace as mr


class PlaysOfItem(mr.FrameLearner):
    """How often each song was played."""

    plays = mr.stream("plays", key="user")
    counts = mr.Counters("plays_of_item")

    def learn(self, batch: mr.Batch) -> None:
        self.counts.add(batch.frame, key="item")
