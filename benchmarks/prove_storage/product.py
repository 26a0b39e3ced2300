"""What the workers under attack learn. Each learner sees another kind of lost or doubled event."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from learners import EventLearner, FrameLearner, stream
from schemas import Event, EventType, Record
from storage import Counters, Ranking, Records
from storage.technologies import kind
from streams import Batch

PARTITIONS = 4
HALF_LIFE = timedelta(hours=1)
KEPT = 20
START = datetime(2026, 1, 1, tzinfo=UTC)


class Rating(Event, topic="ratings", key="user"):
    """A viewer rated a film; the number says which event it is."""

    user: str
    item: str
    stars: int
    number: int
    at: datetime


class History(Record):
    """How many events a viewer had, and the numbers of the last, in order."""

    events: int
    numbers: list[int]


class Last(Record):
    """The last event of a viewer."""

    number: int
    item: str


class StarCounts(FrameLearner):
    """Ratings per film and number of stars: sums that all units add to."""

    ratings = stream("ratings", key="user")
    counts = Counters("star_counts")

    def learn(self, batch: Batch) -> None:
        """Add one for each."""
        self.counts.add(batch.frame.with_columns(pl.col("stars").cast(pl.String)), key="item", field="stars")


class Histories(EventLearner[Rating]):
    """Every viewer's events in order: rows that are read back, and, in the same commits, sums."""

    histories = Records("histories", History)
    lengths = Counters("lengths")

    def learn(self, event: Rating) -> None:
        """Put the event behind those before it."""
        known = self.histories.get(event.user) or History(0, [])
        self.histories.put_one(event.user, History(known.events + 1, [*known.numbers, event.number][-KEPT:]))
        self.lengths.add_one("all", event.user)


class Trend(FrameLearner):
    """Films by decayed weight."""

    ratings = stream("ratings", key="user")
    trend = Ranking("trend", half_life=HALF_LIFE)

    def learn(self, batch: Batch) -> None:
        """Weigh each event by its age."""
        self.trend.add(batch.frame.with_columns(pl.lit("all").alias("list")), key="list", member="item", at="at")


class LastEvents(FrameLearner):
    """Every viewer's last event: rows that need nothing but the event, for a technology that only takes such."""

    ratings = stream("ratings", key="user")
    last = Records("last_events", Last)

    def learn(self, batch: Batch) -> None:
        """Put the newest."""
        self.last.put(batch.frame, key="user")


def event_type(topic: str) -> EventType:
    """Ratings on a topic of a run's own."""
    return replace(Rating.event_type, topic=topic)


def learners(topic: str, technology: str) -> list[type[Any]]:
    """What the technology can hold, folding a run's own topic."""
    found: list[type[Any]] = [LastEvents]
    if "load" not in kind(technology).lacks:
        found = [StarCounts, Histories, Trend, LastEvents]
    return [type(learner.__name__, (learner,), {"ratings": stream(topic)}) for learner in found]


def rating_events(seed: int, users: int = 2_000, items: int = 200) -> Iterator[dict[str, Any]]:
    """Random ratings in order of time, without end."""
    chance, number = random.Random(seed), 0
    while True:
        yield {
            "user": f"u{chance.randrange(users)}",
            "item": f"i{chance.randrange(items)}",
            "stars": chance.randint(1, 5),
            "number": number,
            "at": START + timedelta(seconds=number),
        }
        number += 1
