"""Sessions of a key are the same in whatever order its events come, as far out of order as is allowed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learners import EventLearner, FrameLearner, Late, LearnerRefused, Replay, stream
from learners.checks import check
from learners.declaration import Declaration
from learners.homes import Homes
from schemas import decode_record
from storage import Counters, FormatRefused, PutRefused, Sessions, SessionWindow, SessionWindows, WriteRefused
from storage.technologies import opened
from streams import Batch
from tests.learners.samples import EVENT_TYPES, START, Rating

MINUTE, GAP, ALLOWED, RETENTION = timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=8), timedelta(hours=1)


class Visits(FrameLearner):
    """Sessions of each user, with the ratings of each film in them."""

    ratings = stream("ratings", late=Late(ALLOWED))
    visits = Sessions("visits", gap=GAP, retention=RETENTION)

    def learn(self, batch: Batch) -> None:
        self.visits.add(batch.frame, key="user", at="at", field="item", amount="stars")


class VisitsByEvent(EventLearner[Rating]):
    """The same, event by event."""

    ratings = stream("ratings", late=Late(ALLOWED))
    visits = Sessions("visits", gap=GAP, retention=RETENTION)

    def learn(self, event: Rating) -> None:
        self.visits.add_one(event.user, event.at, event.item, event.stars)


Events = list[tuple[str, int, int]]
EVENTS = st.lists(st.tuples(st.sampled_from(["u1", "u2"]), st.integers(0, 200), st.integers(0, 8)), max_size=50)
"""User, minute, and by how many minutes the event is delayed."""


def events_of(events: Events) -> list[Rating]:
    return [Rating(user, f"i{minute % 3}", 1, START + minute * MINUTE) for user, minute, _ in events]


def folded(learner: type[Any], events: Events, cuts: Sequence[int] = ()) -> dict[str, SessionWindows]:
    replay, frame = Replay([learner], EVENT_TYPES), Rating.event_type.frame(events_of(events))
    bounds = [0, *sorted(cut % (len(events) + 1) for cut in cuts), len(events)]
    for start, stop in pairwise(bounds):
        replay.fold("ratings", frame[start:stop])
        replay.restart()
    [descriptor] = [item for item in replay.declarations[0].descriptors(1) if item.name == "visits"]
    rows = replay.memory.dump(descriptor)
    return {address.key: decode_record(SessionWindows, row) for address, row in rows if isinstance(row, bytes)}


def by_hand(events: Events) -> dict[str, list[tuple[int, int, int]]]:
    """Start, end and number of events of each session, of all events in order."""
    found: dict[str, list[tuple[int, int, int]]] = {}
    for user, minute, _ in sorted(events, key=lambda event: event[1]):
        sessions = found.setdefault(user, [])
        if sessions and minute - sessions[-1][1] <= GAP // MINUTE:
            start, _, count = sessions.pop()
            sessions.append((start, minute, count + 1))
        else:
            sessions.append((minute, minute, 1))
    return {
        user: [each for each in sessions if each[1] >= sessions[-1][1] - RETENTION // MINUTE]
        for user, sessions in found.items()
    }


@pytest.mark.parametrize("learner", [Visits, VisitsByEvent])
@settings(max_examples=30)
@given(EVENTS, st.lists(st.integers(0, 50), max_size=5))
def test_sessions_are_those_of_events_in_order_wherever_batches_end_and_whenever_memory_is_lost(
    learner: type[Any], delayed: Events, cuts: list[int]
) -> None:
    as_they_came = sorted(delayed, key=lambda event: event[1] + event[2])
    rows = folded(learner, as_they_came, cuts)
    found = {
        user: [
            ((each.start - START) // MINUTE, (each.end - START) // MINUTE, sum(each.fields.values()))
            for each in row.windows
        ]
        for user, row in rows.items()
    }
    assert found == by_hand(delayed)
    assert rows == folded(learner, sorted(delayed, key=lambda event: event[1]))


def test_the_contract_holds_for_sessions_and_a_late_event_makes_none() -> None:
    events = [("u1", n - n * 37 % 11, 0) for n in range(200)]
    frame = Rating.event_type.frame(events_of(events))
    assert [
        item for learner in (Visits, VisitsByEvent) for item in check(learner, frame, EVENT_TYPES) if item.problem
    ] == []
    [row] = folded(Visits, [("u1", 30, 0), ("u1", 0, 0), ("u1", 34, 0), ("u1", 40, 0)]).values()
    assert row.windows == [
        SessionWindow(START + 30 * MINUTE, START + 34 * MINUTE, {"i0": 1, "i1": 1}),
        SessionWindow(START + 40 * MINUTE, START + 40 * MINUTE, {"i1": 1}),
    ]


def test_a_session_is_kept_by_its_end_and_goes_as_a_whole() -> None:
    long = [("u1", minute, 0) for minute in range(0, 65, 5)]
    [row] = folded(Visits, long).values()
    assert [(each.start, each.end) for each in row.windows] == [(START, START + 60 * MINUTE)]
    [row] = folded(Visits, [*long, ("u1", 120, 0)]).values()
    assert [each.start for each in row.windows] == [START, START + 120 * MINUTE]
    [row] = folded(Visits, [long[0], *long[2:], ("u1", 115, 0)]).values()
    assert [each.start for each in row.windows] == [START + 10 * MINUTE, START + 115 * MINUTE]
    [row] = folded(Visits, [*long, ("u1", 121, 0)]).values()
    assert [each.start for each in row.windows] == [START + 121 * MINUTE]


def test_what_makes_no_sessions_is_refused_with_what_to_do() -> None:
    for gap, retention in ((timedelta(), GAP), (GAP, MINUTE), (GAP, 1001 * GAP), (timedelta(microseconds=5), GAP)):
        with pytest.raises(FormatRefused, match=r"whole milliseconds|times as long"):
            Sessions("s", gap=gap, retention=retention)

    class Short(FrameLearner):
        ratings = stream("ratings", late=Late(ALLOWED))
        visits = Sessions("visits", gap=GAP, retention=10 * MINUTE)

    with pytest.raises(LearnerRefused, match=r"keep them for 0:13:00 at least"):
        Declaration.of(Short, EVENT_TYPES)


def test_only_the_topics_key_has_sessions_and_only_integers_are_added() -> None:
    class ByItem(Visits):
        name = "visits"

        def learn(self, batch: Batch) -> None:
            self.visits.add(batch.frame, key="item", at="at")

    class Halves(VisitsByEvent):
        name = "visits"

        def learn(self, event: Rating) -> None:
            self.visits.add_one(event.user, event.at, amount=0.5)  # type: ignore[arg-type]

    for learner, error in ((ByItem, PutRefused), (Halves, WriteRefused)):
        with pytest.raises(Exception) as caught:
            Replay([learner], EVENT_TYPES).fold("ratings", Rating.event_type.frame(events_of([("u1", 0, 0)])))
        assert isinstance(caught.value.__cause__, error)


def test_sessions_are_where_the_state_is_and_rows_are_read_back(tmp_path: Path) -> None:
    stores = {
        "relational": opened("relational", f"sqlite:///{tmp_path}/a.db"),
        "search": opened("search", "http://127.0.0.1:9"),
    }

    def placed(technology: str) -> Homes:
        class Placed(FrameLearner):
            ratings = stream("ratings")
            visits = Sessions("visits", gap=GAP, retention=RETENTION, technology=technology)
            counts = Counters("counts", technology="relational")

        return Homes.of(Declaration.of(Placed, EVENT_TYPES), stores)

    assert placed("relational").places["records/visits"] == 0
    with pytest.raises(LearnerRefused, match=r"merges the sessions of records/visits, which are in search"):
        placed("search")


def test_sessions_are_shown_as_a_frame() -> None:
    replay = Replay([Visits], EVENT_TYPES)
    replay.fold("ratings", Rating.event_type.frame(events_of([("u1", 0, 0)])))
    [row] = replay.frames()["visits"].to_dicts()
    assert row["key"] == "u1"
    assert isinstance(replay.frames()["visits"]["windows"].dtype, pl.List)
