"""What the fault tests learn, and what must come of it, computed by code that shares nothing with the learners."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from learners import stream
from schemas import EventType
from tests.learners.samples import START, Histories, ItemCounts, Rating, Trend

PARTITIONS = 4
HALF_LIFE = timedelta(hours=1)
KEPT = 50


def event_type(topic: str) -> EventType:
    """Ratings on a topic of this test's own."""
    return replace(Rating.event_type, topic=topic)


def learners(topic: str) -> list[type[Any]]:
    """Added integers, owned rows in order, decayed scores: each sees another kind of lost or doubled event."""
    own = {"ratings": stream(topic)}
    return [type(learner.__name__, (learner,), own) for learner in (ItemCounts, Histories, Trend)]


def rating_events(count: int, seed: int, users: int = 500, items: int = 200) -> Iterator[dict[str, Any]]:
    """Random ratings in order of time."""
    chance = random.Random(seed)
    for number in range(count):
        yield {
            "user": f"u{chance.randrange(users)}",
            "item": f"i{chance.randrange(items)}",
            "stars": chance.randint(1, 5),
            "at": START + timedelta(seconds=number),
            "decision": None,
        }


def control_counts(events: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    """Per film, how often each number of stars."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for event in events:
        counts[event["item"]][str(event["stars"])] += 1
    return {item: dict(stars) for item, stars in counts.items()}


def control_histories(events: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Per viewer the last films, in order."""
    found: dict[str, list[str]] = defaultdict(list)
    for event in events:
        found[event["user"]].append(event["item"])
    return {user: items[-KEPT:] for user, items in found.items()}


def control_trend(events: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Per film the decayed weight at the newest event, by the definition: one half-life older weighs half."""
    newest: datetime = max(event["at"] for event in events)
    scores: dict[str, float] = defaultdict(float)
    for event in events:
        scores[event["item"]] += 2.0 ** ((event["at"] - newest) / HALF_LIFE)
    return dict(scores)
