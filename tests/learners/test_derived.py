"""A topic by another key or in one order is read from a derived topic, which a learner of our own writes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import polars as pl
import pytest
from confluent_kafka import Message

from learners import FrameLearner, LearnerRefused, Replay, stream
from learners.checks import check
from learners.declaration import Declaration, declarations
from learners.derived import writer_of
from learners.homes import Homes
from learners.lane import Lane
from learners.repartition import Repartition, with_repartitions
from learners.unit import State
from schemas import Record
from storage import Counters, Memory, Records
from storage.technologies import opened
from streams import Batch, Source
from streams.sources import sources_of
from tests.learners.conftest import MakeUnit
from tests.learners.samples import EVENT_TYPES, ItemCounts, ratings
from tests.learners.test_emit import TYPES, Fans, Likes


class Last(Record):
    """Who was last."""

    item: str
    user: str
    stars: int


class LastFans(FrameLearner):
    """Puts rows under another field than the topic's key."""

    ratings = stream("ratings", key="item")
    last = Records("last_fans", Last)

    def learn(self, batch: Batch) -> None:
        self.last.put(batch.frame, key="item")


class Line(FrameLearner):
    """All events in one order, by which rows are put under a field, too."""

    ratings = stream("ratings", key="item", order="total")
    line = Records("line", Last)

    def learn(self, batch: Batch) -> None:
        self.line.put(batch.frame, key="item")


class Total(FrameLearner):
    """All events in one order."""

    ratings = stream("ratings", order="total")
    totals = Counters("totals")

    def learn(self, batch: Batch) -> None:
        self.totals.add(batch.frame, key="item", field="user")


@pytest.mark.parametrize("learner", [LastFans, Line])
def test_rows_are_put_under_the_key_that_was_asked_for(learner: type[Any]) -> None:
    frame = ratings(500)
    wanted = {row["item"]: (row["user"], row["stars"]) for row in frame.iter_rows(named=True)}
    [rows] = learner.replay(frame, partitions=4, event_types=EVENT_TYPES).values()
    assert {row["item"]: (row["user"], row["stars"]) for row in rows.iter_rows(named=True)} == wanted
    assert [item.problem for item in check(learner, frame, EVENT_TYPES) if item.problem] == []


def test_a_replay_feeds_a_topic_to_those_that_read_it_and_what_is_derived_of_it() -> None:
    replay = Replay([ItemCounts, LastFans, Total, Line], EVENT_TYPES, 3)
    assert replay.topics == ["ratings"]
    replay.fold("ratings", ratings(100))
    replay.fold("ratings", list(EVENT_TYPES["ratings"].events(ratings(120)[100:])))
    found = replay.frames()
    assert found["item_counts"]["value"].sum() == found["totals"]["value"].sum() == 120
    assert found["last_fans"].height == found["line"].height == ratings(120)["item"].n_unique()


def test_a_field_that_is_missing_or_may_be_null_is_no_key() -> None:
    for key, why in (("colour", "has no field 'colour'"), ("decision", "never null")):
        learner = type("Other", (LastFans,), {"ratings": stream("ratings", key=key)})
        with pytest.raises(LearnerRefused, match=why):
            Declaration.of(learner, EVENT_TYPES)


def test_each_derived_topic_has_one_writer_and_stands_before_its_readers() -> None:
    class Second(LastFans):
        last = Records("second", Last)

    found = with_repartitions(
        declarations([LastFans, Second, Total, ItemCounts], EVENT_TYPES), "shop.", lambda topic: 4
    )
    assert [(item.name, item.topic) for item in found] == [
        ("derive_shop_ratings_by_item", "ratings"),
        ("derive_shop_ratings_in_order", "ratings"),
        ("last_fans", "shop.ratings.by-item"),
        ("second", "shop.ratings.by-item"),
        ("total", "shop.ratings.in-order"),
        ("item_counts", "ratings"),
    ]
    assert [item.marks is not None for item in found] == [False, False, True, True, True, False]
    alone = with_repartitions(declarations([Total], EVENT_TYPES), "shop.", lambda topic: 1)
    assert [(item.name, item.topic) for item in alone] == [("total", "ratings")]


def test_names_of_writers_differ_where_topics_do() -> None:
    topics = ["a.b", "a-b", "a_b", "A.b", "a..b", "a__b", "ä"]
    assert len({writer_of(topic) for topic in topics if topic != "a-b" and topic != "a_b"}) == 5
    assert writer_of("clicks.by-item") == "derive_clicks_by_item"


def test_bytes_headers_and_times_are_passed_on_under_the_new_key() -> None:
    memory, frame = Memory(), ratings(3)
    [writer, _] = with_repartitions(declarations([LastFans], EVENT_TYPES), "", lambda topic: 4)
    assert issubclass(writer.learner, Repartition)
    lane = Lane(writer, Homes.single(writer, memory).declare(), 0, memory)
    own: list[tuple[str, str | bytes | None]] = [("trace", b"1"), *Source("other", 1, "before", 0).headers(3, 0)]
    messages = [
        Message(topic="ratings", partition=0, offset=10 + row, value=b"value %d" % row, headers=own, timestamp=(1, 77))
        for row in range(3)
    ]
    batch = replace(Batch.of(frame, "ratings", 0, 10), messages=messages)
    lane._fold.fold(batch)
    found = lane._fold.outbox.take()
    assert [(event.key, event.body, event.offset, event.number) for event in found] == [
        (item.encode(), b"value %d" % row, 10 + row, 0) for row, item in enumerate(frame["item"])
    ]
    assert {(event.headers, event.timestamp_ms, event.raw) for event in found} == {((("trace", b"1"),), 77, True)}


def emitted(lane: Lane, frame: pl.DataFrame, *positions: int) -> None:
    """Fold events that were emitted for these offsets."""
    messages = [Message(topic="liked", headers=[*Source("likes", 1, "ratings", 2).headers(at, 0)]) for at in positions]
    lane._fold.fold(replace(Batch.of(frame, "liked", 0, lane.position), sources=sources_of(messages)))
    lane._commit(lane.position + frame.height)


def test_what_is_emitted_twice_is_folded_once_also_by_whoever_takes_over() -> None:
    memory = Memory()
    _, fans = declarations([Likes, Fans], TYPES)
    lane = Lane(fans, Homes.single(fans, memory).declare(), 0, memory)
    frame = pl.DataFrame({"item": ["i"] * 3, "user": ["a", "b", "c"], "nth": [0, 0, 0]})
    emitted(lane, frame, 5, 6, 5)
    lane.claim()
    emitted(lane, frame, 6, 6, 9)
    [counters] = [item for item in fans.descriptors(1) if item.format == "counters"]
    assert [row for _, row in memory.dump(counters)] == [{"a": 1, "b": 1, "c": 1}]


def test_a_learner_that_does_not_know_that_its_topic_is_emitted_to_stands_still(make_unit: MakeUnit) -> None:
    unit = make_unit(Memory(), ItemCounts)
    unit.claim()
    source = sources_of([Message(topic="ratings", headers=[*Source("likes", 1, "x", 2).headers(1, 0)])])
    unit.advance(replace(Batch.of(ratings(1), "ratings"), sources=source))
    assert (unit.state, unit.committed) == (State.STOPPED, None)
    assert "emitted=True" in (unit.problem or "")


def test_the_partitions_of_an_emitted_topic_cannot_change() -> None:
    memory = Memory()
    for version, count in ((1, 4), (1, 4), (1, 8), (2, 8), (2, 4)):
        [likes] = declarations([type("Likes", (Likes,), {"version": version})], TYPES)
        assert likes.emitted is not None
        likes.emitted.partitions["liked"] = count
        if count == 8:
            with pytest.raises(LearnerRefused, match=r"had 4 when likes@1 began.* Emit to a new topic"):
                Homes.single(likes, memory).declare()
        else:
            Homes.single(likes, memory).declare()


def test_marks_are_not_kept_where_no_row_is_read_back() -> None:
    class Elsewhere(FrameLearner):
        liked = stream("liked", emitted=True)
        fans = Counters("fans", technology="search")

    technologies = {"search": opened("search", "http://127.0.0.1:9")}
    with pytest.raises(LearnerRefused, match=r"elsewhere reads what learners emit .* no row is read back"):
        Homes.of(Declaration.of(Elsewhere, TYPES), technologies)


def test_another_products_emissions_are_told_when_they_are_said_to_be() -> None:
    class Other(Fans):
        liked = stream("liked", emitted=True)

    assert declarations([Other], TYPES)[0].marks is not None
    assert declarations([Fans], TYPES)[0].marks is None
