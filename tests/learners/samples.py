"""Events and learners for this room's tests, and doubles of a log and of an unlucky storage."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
from confluent_kafka import Message

from learners import EventLearner, FrameLearner, stream
from schemas import Event, Record, decode_record
from storage import Claim, Counters, Format, Memory, Ranking, Records, Writes
from storage.errors import UnknownOutcome
from storage.unit import Outcome
from streams import Batch, Fetched, Rejected

START = datetime(2026, 1, 1, tzinfo=UTC)


class Rating(Event, topic="ratings", key="user"):
    """A viewer rated a film."""

    user: str
    item: str
    stars: int
    at: datetime
    decision: str | None = None


class History(Record):
    """What a viewer has rated, in order."""

    user: str
    items: list[str]


class ItemCounts(FrameLearner):
    """Ratings per film and number of stars."""

    ratings = stream("ratings", key="user")
    counts = Counters("item_counts")

    def learn(self, batch: Batch) -> None:
        self.counts.add(batch.frame.with_columns(pl.col("stars").cast(pl.String)), key="item", field="stars")


class Histories(EventLearner[Rating]):
    """Every viewer's films in order, which a repeated or skipped event would change, and how long the lists are."""

    histories = Records("histories", History)
    lengths = Counters("lengths")

    def learn(self, event: Rating) -> None:
        known = self.histories.get(event.user)
        items = [*(known.items if known is not None else []), event.item]
        self.histories.put_one(event.user, History(event.user, items[-50:]))
        self.lengths.add_one("all", event.user)


class Trend(FrameLearner):
    """Films by decayed weight."""

    ratings = stream("ratings", key="user")
    trend = Ranking("trend", half_life=timedelta(hours=1))

    def learn(self, batch: Batch) -> None:
        self.trend.add(batch.frame.with_columns(pl.lit("all").alias("list")), key="list", member="item", at="at")


LEARNERS = [ItemCounts, Histories, Trend]
EVENT_TYPES = {"ratings": Rating.event_type}


def ratings(count: int, users: int = 7, items: int = 11) -> pl.DataFrame:
    """Ratings in order of time, the same for the same arguments."""
    numbers = range(count)
    return pl.DataFrame(
        {
            "user": [f"u{number * 7919 % users}" for number in numbers],
            "item": [f"i{number * number % items}" for number in numbers],
            "stars": [1 + number % 5 for number in numbers],
            "at": [START + timedelta(seconds=number * 30) for number in numbers],
            "decision": [None] * count,
        },
        schema=Rating.event_type.frame_schema,
    )


class Log:
    """One partition of a log and its consumer: hands out what follows its place, until it is paused.

    Attributes:
        unreadable: those of the bad events that are good ones of a schema that cannot be read.
    """

    def __init__(self, frame: pl.DataFrame, bad: Sequence[int] = (), low: int = 0) -> None:
        offsets = [offset for offset in range(low, low + frame.height + len(bad)) if offset not in bad]
        self.whole = Batch("ratings", 0, low, low + frame.height + len(bad), frame, np.array(offsets, np.int64))
        self.bad, self.unreadable = sorted(bad), set[int]()
        self.place: int | None = None
        self.paused = False
        self.seeks: list[int | None] = []

    def poll(self, count: int) -> Fetched | None:
        place = self.whole.first if self.place is None else self.place
        end = min(place + count, self.whole.next)
        if self.paused or place >= end:
            return None
        keep = (self.whole.offsets >= place) & (self.whole.offsets < end)
        batch = Batch("ratings", 0, place, end, self.whole.frame.filter(pl.Series(keep)), self.whole.offsets[keep])
        bad = tuple(rejected(at, at in self.unreadable) for at in self.bad if place <= at < end)
        self.place = end
        return Fetched(batch, bad, [message(offset) for offset in batch.offsets.tolist()])

    def seek(self, topic: str, partition: int, offset: int | None) -> None:
        self.place = offset
        self.seeks.append(offset)

    def pause(self, topic: str, partition: int) -> None:
        self.paused = True

    def resume(self, topic: str, partition: int) -> None:
        self.paused = False


def message(offset: int) -> Message:
    return Message(topic="ratings", partition=0, offset=offset, key=b"u1", value=b"%d" % offset, timestamp=(1, 5))


def rejected(offset: int, unreadable: bool = False) -> Rejected:
    error, reason = ("UnreadableEvent", "stars is text.") if unreadable else ("MalformedEvent", "random bytes")
    return Rejected("ratings", 0, offset, 0, b"u1", b"\xff\x00", error, reason, unreadable=unreadable)


class Unlucky(Memory):
    """A memory whose commits go wrong as told, one word per commit: `ok`, `lost` (never arrives), `late` (applied, but
    nobody hears of it), `stolen` (another worker claims before), `slow` (events wait for it)."""

    def __init__(self, fate: Sequence[str] = ()) -> None:
        super().__init__()
        self.fate = deque(fate)
        self.sent: list[tuple[int | None, int, int]] = []

    def commit(self, claim: Claim, expected: int | None, new: int, writes: Writes, watermark_ms: int | None) -> Outcome:
        word = self.fate.popleft() if self.fate else "ok"
        self.sent.append((expected, new, writes.rows))
        if word == "slow":
            time.sleep(0.005)
        if word == "lost":
            raise UnknownOutcome("lost on its way")
        if word == "stolen":
            self.claim(claim.unit, "another")
        outcome = super().commit(claim, expected, new, writes, watermark_ms)
        if word == "late":
            raise UnknownOutcome("the answer was lost")
        return outcome


def once(raises: Mapping[str, int], learn: Callable[[Any, Rating], None]) -> Any:
    """`learn`, which raises the first so many times for events of these items."""
    left = dict(raises)

    def learn_or_raise(self: Any, event: Rating) -> None:
        if left.get(event.item, 0) > 0:
            left[event.item] -= 1
            raise ValueError(f"cannot learn {event.item}")
        learn(self, event)

    return learn_or_raise


def expected_histories(frame: pl.DataFrame) -> dict[str, list[str]]:
    """What `Histories` must have learned, by a plain loop."""
    found: dict[str, list[str]] = {}
    for user, item in frame.select("user", "item").iter_rows():
        found[user] = [*found.get(user, []), item][-50:]
    return found


def learned(memory: Memory, learner: type[Any]) -> dict[str, dict[str, Any]]:
    """All rows of a learner's storages: key -> fields, members, or the record's values."""
    found: dict[str, dict[str, Any]] = {}
    for storage in {name: value for base in reversed(learner.__mro__) for name, value in vars(base).items()}.values():
        if isinstance(storage, Format):
            descriptor = storage.describe(learner.name, learner.version, learner.version, "ratings")
            for address, row in memory.dump(descriptor):
                found[address.key] = decode_record(storage.schema or {}, row) if isinstance(row, bytes) else dict(row)
    return found
