"""Event time: a unit's watermark and which events are late follow from the log alone, wherever batches end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from learners import EventLearner, FrameLearner, Late, LearnerRefused, Replay, stream
from learners.checks import check
from learners.declaration import Declaration
from learners.homes import Homes
from learners.late import Otherwise
from learners.rows import Rows
from schemas import Event, EventType
from storage import Counters, Hopping, Memory, Tumbling
from storage.formats import watermark
from storage.formats.watermark import judged
from storage.technologies import opened
from streams import Batch
from tests.learners.conftest import Stage
from tests.learners.samples import START, Log, learned, ratings

MINUTE, ALLOWED = timedelta(minutes=1), timedelta(minutes=5)


class Visit(Event, topic="visits", key="user"):
    """Somebody came; `read` is when we heard of it."""

    user: str
    at: datetime | None
    read: datetime


class Hourly(FrameLearner):
    """Visits of each user by hour."""

    visits = stream("visits", late=Late(ALLOWED))
    by_hour = Counters("by_hour", window=Tumbling(hours=1))

    def learn(self, batch: Batch) -> None:
        self.by_hour.add(batch.frame.filter(pl.col("at").is_not_null()), key="user", at="at")


class HourlyByEvent(EventLearner[Visit]):
    """The same, event by event, in hours that overlap."""

    visits = stream("visits", late=Late(ALLOWED))
    by_hour = Counters("by_event", window=Hopping(timedelta(hours=1), every=timedelta(minutes=25)))

    def learn(self, event: Visit) -> None:
        if event.at is not None:
            self.by_hour.add_one(event.user, at=event.at)


TYPES = {"visits": Visit.event_type}
AT = st.none() | st.integers(-500, 500).map(lambda minutes: START + minutes * MINUTE)
EVENTS = st.lists(st.tuples(st.sampled_from(["u1", "u2", "u3"]), AT), max_size=40)
CUTS = st.lists(st.integers(0, 40), max_size=8)


def visits(events: Sequence[tuple[str, datetime | None]]) -> pl.DataFrame:
    return Visit.event_type.frame([Visit(user, at, START) for user, at in events])


def on_time(events: Sequence[tuple[str, datetime | None]], allowed: timedelta = ALLOWED) -> list[bool]:
    """By a plain loop."""
    newest, found = None, []
    for _, at in events:
        found.append(newest is None or at is None or at >= newest - allowed)
        newest = at if newest is None or (at is not None and at > newest) else newest
    return found


def folded(learner: type[Any], frame: pl.DataFrame, cuts: Sequence[int] = (), restart: bool = False) -> Replay:
    replay = Replay([learner], TYPES)
    start = 0
    for stop in [*sorted(min(cut, frame.height) for cut in cuts), frame.height]:
        replay.fold("visits", frame[start:stop])
        if restart:
            replay.restart()
        start = stop
    return replay


def watermarks(replay: Replay) -> list[int | None]:
    [declaration] = replay.declarations
    return [state.watermark_ms for state in replay.memory.units(declaration.descriptors(1)[0])]


def late_of(rows: Rows) -> int:
    return sum(row["late"] for (storage, _, _), row in rows.items() if storage.endswith("event_time"))


class Readings(FrameLearner):
    """Visits of each user, without a limit for late ones."""

    visits = stream("visits")
    by_user = Counters("by_user")

    def learn(self, batch: Batch) -> None:
        self.by_user.add(batch.frame, key="user")


@pytest.mark.parametrize(("unit", "a_second"), [("ms", 1_000), ("us", 1_000_000)])
def test_the_newest_time_may_be_one_that_python_has_no_date_for(unit: Any, a_second: int) -> None:
    frame = visits([("u1", None), ("u1", START), ("u1", None)])
    far = pl.Series("at", [None, 10**12 * a_second, -(10**12) * a_second], pl.Int64).cast(pl.Datetime(unit, "UTC"))
    assert watermarks(folded(Readings, frame.with_columns(far))) == [10**15]


@given(EVENTS, st.integers(0, 900_000), CUTS)
def test_whether_an_event_is_late_is_told_by_what_came_before_it_alone(
    events: list[tuple[str, datetime | None]], allowed: int, cuts: list[int]
) -> None:
    known = np.array([at is not None for _, at in events], bool)
    times = np.array([0 if at is None else int(at.timestamp() * 1000) for _, at in events], np.int64)
    newest, late, last = None, [], None
    bounds = [0, *sorted(min(cut, len(events)) for cut in cuts), len(events)]
    for start, stop in pairwise(bounds):
        found, marks, newest = judged(times[start:stop], known[start:stop], newest, allowed)
        late += found.tolist()
        seen = [mark for mark in marks.tolist() if mark > watermark.BEGINNING]
        assert seen == sorted(seen)
        assert last is None or all(mark >= last for mark in seen)
        last = seen[-1] if seen else last
    assert [not flag for flag in late] == on_time(events, timedelta(milliseconds=allowed))
    assert newest == max((time for time, has in zip(times.tolist(), known, strict=True) if has), default=None)


@pytest.mark.parametrize("learner", [Hourly, HourlyByEvent])
@settings(max_examples=60)
@given(events=EVENTS, cuts=CUTS)
def test_rows_watermark_and_late_events_are_the_same_wherever_batches_end_and_after_a_crash(
    learner: type[Any], events: list[tuple[str, datetime | None]], cuts: list[int]
) -> None:
    frame = visits(events)
    whole = folded(learner, frame)
    assert late_of(whole.rows()) == on_time(events).count(False)
    for restart in (False, True):
        parts = folded(learner, frame, cuts, restart)
        assert (parts.rows(), watermarks(parts)) == (whole.rows(), watermarks(whole))
    one_by_one = Replay([learner], TYPES)
    one_by_one.fold("visits", [Visit(user, at, START) for user, at in events])
    assert (one_by_one.rows(), watermarks(one_by_one)) == (whole.rows(), watermarks(whole))


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 500), st.integers(0, 5)), max_size=40))
def test_events_that_are_out_of_order_by_no_more_than_is_allowed_give_the_same_windows(
    delayed: list[tuple[int, int]],
) -> None:
    in_order = sorted(delayed, key=lambda event: event[0])
    as_they_came = sorted(delayed, key=lambda event: event[0] + event[1])
    found = [
        folded(Hourly, visits([("u1", START + minute * MINUTE) for minute, _ in events])).rows()
        for events in (in_order, as_they_came)
    ]
    assert found[0] == found[1]
    assert late_of(found[1]) == 0


def test_the_checks_of_the_contract_hold_and_find_lateness_that_depends_on_where_a_batch_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    frame = visits([(f"u{n % 3}", START + (n - n * 37 % 9) * MINUTE) for n in range(300)])
    assert [item for learner in (Hourly, HourlyByEvent) for item in check(learner, frame, TYPES) if item.problem] == []

    def by_batch(times: NDArray[np.int64], known: NDArray[np.bool_], newest: int | None, allowed: int) -> Any:
        _, marks, after = judged(times, known, newest, allowed)
        return times < (after or 0) - allowed, marks, after

    monkeypatch.setattr(watermark, "judged", by_batch)
    broken = [item.promise for item in check(Hourly, frame, TYPES) if item.problem]
    assert "where a batch ends makes no difference" in broken


@pytest.mark.parametrize(("otherwise", "counted"), [("drop", 2), ("dead_letter", 2), ("keep", 3)])
def test_a_late_event_is_left_out_or_kept_as_was_said_and_counted(otherwise: Otherwise, counted: int) -> None:
    class Ruled(Hourly):
        name = "hourly"
        visits = stream("visits", late=Late(ALLOWED, otherwise))

    replay = folded(Ruled, visits([("u1", START), ("u1", START - 6 * MINUTE), ("u1", START - 5 * MINUTE)]))
    assert replay.frames()["by_hour"]["value"].sum() == counted
    assert late_of(replay.rows()) == 1


def test_the_watermark_is_less_than_the_newest_event_time_by_what_is_allowed() -> None:
    newest = int(START.timestamp() * 1000)
    replay = folded(Hourly, visits([("u1", START), ("u1", START - MINUTE)]))
    assert watermarks(replay) == [newest - 300_000]

    class Plain(Hourly):
        name = "hourly"
        visits = stream("visits", event_time="read")

    assert watermarks(folded(Plain, visits([("u1", START - MINUTE)]))) == [newest]


class Ratings(FrameLearner):
    """Ratings of each film; those that are late are looked at by somebody."""

    ratings = stream("ratings", late=Late(timedelta(), "dead_letter"))
    counts = Counters("counts")

    def learn(self, batch: Batch) -> None:
        self.counts.add(batch.frame, key="item")


@pytest.fixture
def disordered() -> Log:
    """100 events of which each tenth comes late."""
    frame = ratings(100).with_columns(
        pl.when(pl.int_range(pl.len()) % 10 == 9).then(pl.lit(START)).otherwise(pl.col("at")).alias("at")
    )
    return Log(frame.cast({"at": ratings(1)["at"].dtype}))


def test_late_events_are_dead_letters_before_the_position_passes_them(
    disordered: Log, make_stage: Callable[..., Stage]
) -> None:
    stage = make_stage(disordered, Memory(), [Ratings])
    stage.refuse_burials = 2
    stage.step(20)
    assert (stage.buried, stage.units[0].committed) == ([], None)
    stage.run(7)
    assert stage.buried == list(range(9, 100, 10))
    assert sum(sum(row.values()) for row in learned(stage.memory, Ratings).values()) == 90


def test_after_a_crash_the_same_events_are_late(disordered: Log, make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(disordered, Memory(), [Ratings])
    for count in (13, 1, 30, 5):
        stage.step(count)
        stage.units[0].drain()
        stage.assign()
    stage.run(9)
    assert sorted(set(stage.buried)) == list(range(9, 100, 10))
    assert sum(sum(row.values()) for row in learned(stage.memory, Ratings).values()) == 90


def declared(event_type: EventType, **options: Any) -> Declaration:
    class Any_(FrameLearner):
        name = "any"
        visits = stream("visits", **options)
        counts = Counters("counts")

    return Declaration.of(Any_, {"visits": event_type})


def test_what_makes_no_event_time_is_refused_with_what_to_do() -> None:
    with pytest.raises(LearnerRefused, match=r"'user' as the event time .* are: at, read"):
        declared(Visit.event_type, event_time="user")
    schema = {**Visit.event_type.schema, "fields": [{"name": "user", "type": "string"}]}
    with pytest.raises(LearnerRefused, match="none of their fields holds a time"):
        declared(EventType("visits", schema, "user"), late=Late(ALLOWED))
    for allowed in (-MINUTE, timedelta(days=400), timedelta(microseconds=1)):
        with pytest.raises(LearnerRefused, match="is no limit"):
            Late(allowed)
    with pytest.raises(LearnerRefused, match="drop, dead_letter, keep"):
        Late(ALLOWED, "forget")  # type: ignore[arg-type]


def test_watermarks_live_where_the_state_is_and_not_where_no_row_is_read_back(tmp_path: Path) -> None:
    stores = {
        "relational": opened("relational", f"sqlite:///{tmp_path}/a.db"),
        "search": opened("search", "http://127.0.0.1:9"),
    }

    def homes(technology: str) -> Homes:
        class Placed(FrameLearner):
            visits = stream("visits", late=Late(ALLOWED))
            counts = Counters("counts", technology=technology)

        return Homes.of(Declaration.of(Placed, TYPES), stores)

    assert homes("relational").places["records/placed_event_time"] == 0
    with pytest.raises(LearnerRefused, match=r"keeps its watermark .* from which no row is read back"):
        homes("search")
