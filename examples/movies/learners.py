"""What is learned from the events: four folds. The rules they follow are written out in README.md."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

import millrace as mr

from .events import LIKED, Film, Rating

TOGETHER = 15
"""A newly liked film is paired with so many films that the viewer liked before it."""
KEPT = 1000
"""So many rated films of a viewer are kept, so that a row cannot grow without end."""

PRIOR = 2.0
"""So many ratings a viewer is taken to have given before the first one, half of them likes."""


class Viewed(mr.Record):
    """What one viewer has rated: film ids, the last rated one at the end, and beside them their stars."""

    user: str
    items: list[str]
    stars: list[int]

    def liked(self, size: int) -> list[str]:
        """At most `size` films that the viewer likes, the last rated one first."""
        found: list[str] = []
        for item, stars in zip(reversed(self.items), reversed(self.stars), strict=True):
            if len(found) == size:
                break
            if stars >= LIKED:
                found.append(item)
        return found

    def likes(self, item: str) -> bool:
        """Whether this film's last rating says so."""
        return item in self.items and self.stars[self.items.index(item)] >= LIKED

    def rated(self, item: str, stars: int) -> Viewed:
        """The same with one more rating; another rating of the same film is replaced by it."""
        earlier = [pair for pair in zip(self.items, self.stars, strict=True) if pair[0] != item][1 - KEPT :]
        return Viewed(self.user, [*(pair[0] for pair in earlier), item], [*(pair[1] for pair in earlier), stars])


class Popular(mr.FrameLearner):
    """Which films are liked most, where a rating 30 days older weighs half as much."""

    version = 1
    ratings = mr.stream("ratings", key="user")
    popular = mr.Ranking("popular", half_life=timedelta(days=30))

    def learn(self, batch: mr.Batch) -> None:
        liked = batch.frame.filter(pl.col("stars") >= LIKED)
        self.popular.add(liked.with_columns(pl.lit("all").alias("list")), key="list", member="item", at="at")


class CoWatched(mr.EventLearner[Rating]):
    """Which films the same viewers like soon after one another, and how many viewers like each film."""

    version = 1
    truth = f"stars >= {LIKED}"
    ratings = mr.stream("ratings", key="user")
    history = mr.Records("viewer_history", Viewed)
    pairs = mr.Ranking("co_watched")
    liked = mr.Ranking("liked")

    def predict(self, event: Rating) -> float:
        """Of a backtest: how likely the viewer likes it, by what they have liked before."""
        viewed = self.history.get(event.user)
        stars = viewed.stars if viewed is not None else []
        return (PRIOR / 2 + sum(given >= LIKED for given in stars)) / (PRIOR + len(stars))

    def learn(self, event: Rating) -> None:
        viewed = self.history.get(event.user) or Viewed(event.user, [], [])
        if event.stars >= LIKED and not viewed.likes(event.item):
            self.liked.add_one("all", event.item)
            for other in viewed.liked(TOGETHER):
                self.pairs.add_one(event.item, other)
                self.pairs.add_one(other, event.item)
        self.history.put_one(event.user, viewed.rated(event.item, event.stars))


class Titles(mr.FrameLearner):
    """Every film's title, year and genres."""

    version = 1
    items = mr.stream("items", key="item")
    titles = mr.Records("titles", Film)

    def learn(self, batch: mr.Batch) -> None:
        self.titles.put(batch.frame, key="item")


class ActiveViewers(mr.FrameLearner):
    """Who rates most: the viewers whom the demo's page offers."""

    version = 1
    ratings = mr.stream("ratings", key="user")
    active = mr.Ranking("active_viewers")

    def learn(self, batch: mr.Batch) -> None:
        self.active.add(batch.frame.with_columns(pl.lit("all").alias("list")), key="list", member="user")
