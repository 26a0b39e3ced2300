"""What is learned from the events: three folds."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

import millrace as mr

from .events import Click

TOGETHER = 3
"""An opened item is paired with so many other items that the visitor opened before it."""


class Opened(mr.Record):
    """Which items a visitor opened last, the newest at the end."""

    visitor: str
    items: list[str]


class Popular(mr.FrameLearner):
    """Which items are opened most; a click weighs half as much a week later."""

    clicks = mr.stream("shop_clicks", key="visitor")
    popular = mr.Ranking("shop_popular", half_life=timedelta(days=7))

    def learn(self, batch: mr.Batch) -> None:
        self.popular.add(batch.frame.with_columns(pl.lit("all").alias("list")), key="list", member="item", at="at")


class Together(mr.EventLearner[Click]):
    """Which items the same visitors open soon after one another."""

    clicks = mr.stream("shop_clicks", key="visitor")
    opened = mr.Records("shop_opened", Opened)
    together = mr.Ranking("shop_together")

    def learn(self, event: Click) -> None:
        opened = self.opened.get(event.visitor) or Opened(event.visitor, [])
        others = [item for item in opened.items if item != event.item]
        for other in others[-TOGETHER:]:
            self.together.add_one(event.item, other)
            self.together.add_one(other, event.item)
        self.opened.put_one(event.visitor, Opened(event.visitor, [*others[-9:], event.item]))


class Shown(mr.FrameLearner):
    """How often each item was seen in a strip."""

    exposures = mr.stream("shop_exposures", key="visitor")
    shown = mr.Counters("shop_shown")

    def learn(self, batch: mr.Batch) -> None:
        seen = batch.frame.explode("items").select(pl.col("items").alias("item"), pl.lit("shown").alias("field"))
        self.shown.add(seen.drop_nulls(), key="item", field="field")
