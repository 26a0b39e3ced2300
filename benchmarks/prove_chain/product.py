"""A chain of learners, and what they must have learned by a plain loop. Each row shows another kind of mistake."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from learners import Emit, EventLearner, FrameLearner, Learner, emit, stream
from schemas import Event, EventType, Record
from storage import Counters, Records
from streams import Batch

PARTITIONS = 4
START = datetime(2026, 1, 1, tzinfo=UTC)


class Click(Event, topic="clicks", key="user"):
    """A visitor clicked on an item; the number says which event it is."""

    user: str
    item: str
    number: int
    at: datetime


class Visit(Event, topic="visits", key="item"):
    """What follows from a click: how many its visitor had before, on the item and, of some, on the shop."""

    item: str
    user: str
    number: int
    nth: int
    at: datetime


class Visitor(Record):
    """How many clicks a visitor had."""

    clicks: int


class Seen(Record):
    """What an item had: events, the sum of what they say, each visitor's last number, and how often that went back."""

    events: int
    total: int
    last: dict[str, int]
    back: int


class Visits(EventLearner[Click]):
    """The first of the chain: reads a row back, and emits one event or two, to the item's partition and another's."""

    clicks = stream("clicks")
    visitors = Records("visitors", Visitor)
    visits = emit(Visit)

    def learn(self, event: Click) -> None:
        """Count the click, and tell the item."""
        known = self.visitors.get(event.user) or Visitor(0)
        self.visitors.put_one(event.user, Visitor(known.clicks + 1))
        for item in told(event.item, event.number):
            self.visits.emit_one(Visit(item, event.user, event.number, known.clicks, event.at))


class Items(EventLearner[Visit]):
    """The second: what is emitted."""

    visits = stream("visits")
    items = Records("items", Seen)
    counted = Counters("counted")

    def learn(self, event: Visit) -> None:
        """Count it."""
        known = self.items.get(event.item) or Seen(0, 0, {}, 0)
        self.items.put_one(event.item, after(known, event.user, event.number, event.nth))
        self.counted.add_one("all", event.item)


class Clicked(FrameLearner):
    """The topic of the first by another key."""

    clicks = stream("clicks", key="item")
    clicked = Records("clicked", Seen)

    def learn(self, batch: Batch) -> None:
        """Count all, item by item."""
        for item, user, number in batch.frame.select("item", "user", "number").iter_rows():
            known = self.clicked.get(item) or Seen(0, 0, {}, 0)
            self.clicked.put_one(item, after(known, user, number, 0))


class Ordered(FrameLearner):
    """The topic of the first in one order."""

    clicks = stream("clicks", order="total")
    ordered = Counters("ordered")

    def learn(self, batch: Batch) -> None:
        """Count all, on the only partition there is."""
        self.ordered.add(batch.frame.with_columns(pl.lit("all").alias("list")), key="list", field="user")


LEARNERS: tuple[type[Learner], ...] = (Visits, Items, Clicked, Ordered)


@dataclass(frozen=True)
class Chain:
    """The learners over topics of a run's own.

    Attributes:
        learners: in order of the chain.
    """

    learners: tuple[type[Any], ...]
    event_types: Mapping[str, EventType]
    clicks: EventType

    @classmethod
    def of(cls, name: str) -> Chain:
        """Those whose topics begin with this name."""
        clicks, visits = _moved(Click.event_type, name), _moved(Visit.event_type, name)
        types = {"clicks": clicks, "visits": visits}
        return cls(tuple(_own(item, types) for item in LEARNERS), {item.topic: item for item in types.values()}, clicks)


def told(item: str, number: int) -> list[str]:
    """To which items a click is told."""
    return [item, f"shop-{number % 7}"] if number % 3 == 0 else [item]


def after(known: Seen, user: str, number: int, nth: int) -> Seen:
    """What an item had, and one event more."""
    went_back = number <= known.last.get(user, -1)
    last = {**known.last, user: number}
    return Seen(known.events + 1, known.total + 1_000 * number + nth, last, known.back + went_back)


def clicks(seed: int, users: int = 60, items: int = 40) -> Iterator[dict[str, Any]]:
    """Random clicks in order of time, without end."""
    chance, number = random.Random(seed), 0
    while True:
        at = START + timedelta(seconds=number)
        yield {"user": f"u{chance.randrange(users)}", "item": f"i{chance.randrange(items)}", "number": number, "at": at}
        number += 1


def expected(events: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Storage -> key -> what must be there, by a plain loop."""
    counts: dict[str, int] = defaultdict(int)
    items: dict[str, Seen] = defaultdict(lambda: Seen(0, 0, {}, 0))
    clicked: dict[str, Seen] = defaultdict(lambda: Seen(0, 0, {}, 0))
    for event in events:
        user, item, number = event["user"], event["item"], event["number"]
        for target in told(item, number):
            items[target] = after(items[target], user, number, counts[user])
        clicked[item] = after(clicked[item], user, number, 0)
        counts[user] += 1
    return {
        "visitors": {user: {"clicks": count} for user, count in counts.items()},
        "items": {item: seen.to_dict() for item, seen in items.items()},
        "counted": {"all": {item: seen.events for item, seen in items.items()}},
        "clicked": {item: seen.to_dict() for item, seen in clicked.items()},
        "ordered": {"all": dict(counts)},
    }


def _moved(event_type: EventType, name: str) -> EventType:
    topic = f"{name}-{event_type.topic}"
    schema = {**event_type.schema, "millrace.topic": topic}
    return EventType(topic, schema, event_type.key, event_type.python)


def _own(learner: type[Learner], types: Mapping[str, EventType]) -> type[Any]:
    parts: dict[str, Any] = {}
    for name, value in vars(learner).items():
        if isinstance(value, Emit):
            parts[name] = emit(types[value.topic])
        elif hasattr(value, "stop_at"):
            parts[name] = stream(types[value.topic].topic, key=value.key, order=value.order)
    return type(learner.__name__, (learner,), parts)
