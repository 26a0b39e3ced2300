"""What is learned from the sessions, each counted once."""

from __future__ import annotations

import polars as pl

import millrace as mr


class Visits(mr.FrameLearner):
    """How many sessions each user had, and how many clicks in them. A session that Faust sent twice has one id."""

    sessions = mr.stream("site_sessions", key="user", drop_repeats=10_000)
    visits = mr.Counters("site_visits")

    def learn(self, batch: mr.Batch) -> None:
        counted = batch.frame.select("user", pl.lit(1).alias("sessions"), "clicks")
        rows = counted.unpivot(index="user", variable_name="field", value_name="number")
        self.visits.add(rows, key="user", field="field", amount="number")
