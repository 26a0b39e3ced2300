"""What the workers under attack learn. Each learner sees another kind of lost or doubled event."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from learners import EventLearner, FrameLearner, Late, stream
from schemas import Event, EventType, Record
from storage import Counters, Format, Ranking, Records, Tumbling
from storage.technologies import kind
from streams import Batch

PARTITIONS = 4
HALF_LIFE = timedelta(hours=1)
KEPT = 20
ALLOWED, WINDOW = timedelta(seconds=30), timedelta(minutes=10)
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


class OnTime(FrameLearner):
    """Ratings per film by window of event time, without those that are late: a watermark that is forgotten shows."""

    ratings = stream("ratings", key="user", late=Late(ALLOWED))
    on_time = Counters("on_time", window=Tumbling(WINDOW))

    def learn(self, batch: Batch) -> None:
        """Add one for each."""
        self.on_time.add(batch.frame, key="item", at="at")


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


def learners(topic: str, technology: str, derived: str | None = None) -> list[type[Any]]:
    """What the technology can hold, folding a run's own topic.

    Args:
        derived: another technology, for one learner that keeps what it reads back in the first, and sums in this one.
    """
    found: list[type[Any]] = [LastEvents]
    if derived is not None:
        found = [Histories]
    elif "load" not in kind(technology).lacks:
        found = [StarCounts, Histories, Trend, OnTime, LastEvents]
    return [_moved(learner, topic, technology, derived or technology) for learner in found]


def _moved(learner: type[Any], topic: str, technology: str, derived: str) -> type[Any]:
    """The learner with another topic, and its storages elsewhere."""
    storages = {name: copy.copy(value) for name, value in vars(learner).items() if isinstance(value, Format)}
    for storage in storages.values():
        storage.technology = technology if storage.format == "records" else derived
    declared = replace(vars(learner).get("ratings", stream(topic)), topic=topic)
    return type(learner.__name__, (learner,), {"ratings": declared, **storages})


def rating_events(seed: int, users: int = 2_000, items: int = 200) -> Iterator[dict[str, Any]]:
    """Random ratings without end, in order of time but for one in seven, which is up to two minutes behind."""
    chance, number = random.Random(seed), 0
    while True:
        yield {
            "user": f"u{chance.randrange(users)}",
            "item": f"i{chance.randrange(items)}",
            "stars": chance.randint(1, 5),
            "number": number,
            "at": START + timedelta(seconds=number - (number * 7_919 % 120 if number % 7 == 3 else 0)),
        }
        number += 1
