"""Windows are found from an event's own time alone, and a row's key says which it is of."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage import (
    Counters,
    CountersReader,
    FormatRefused,
    Hopping,
    Ranking,
    RankingReader,
    Tumbling,
    WriteRefused,
    browsing,
    to_frame,
)
from storage.formats.window import Windows, parted, prefix
from tests.storage.form_stage import START, FormStage, ask

HOUR, MINUTE, MS = timedelta(hours=1), timedelta(minutes=1), timedelta(milliseconds=1)
TIMES = st.datetimes(datetime(1960, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))
WINDOWS = st.tuples(st.integers(1, 10**9), st.integers(1, 100)).map(
    lambda spans: Windows(spans[0] * MS, -(-spans[0] // spans[1]) * MS)
)


@given(WINDOWS, st.integers(-(10**13), 10**13))
def test_a_moment_is_in_the_windows_that_begin_by_then_and_have_not_ended(windows: Windows, at: int) -> None:
    starts = windows.starts(at)
    assert all(start <= at < start + windows.size and start % windows.every == 0 for start in starts)
    assert len(starts) in (windows.size // windows.every, -(-windows.size // windows.every))
    assert starts == list(windows.between(at, at + 1))
    frame = windows.spread(pl.DataFrame({"at": [at], "key": ["k"]}), "at")
    assert sorted(frame["at"]) == starts
    assert set(frame["key"]) == {"k"}


@given(st.lists(st.tuples(TIMES, st.text(max_size=9)), max_size=20))
def test_keys_are_in_the_order_of_time_and_say_what_they_are_of(rows: list[tuple[datetime, str]]) -> None:
    window = Tumbling(minutes=10)
    starts = [window.starts(int(at.timestamp() * 1000))[0] for at, _ in rows]
    assert sorted(starts) == [start for _, start in sorted((prefix(start), start) for start in starts)]
    for start, (_, key) in zip(starts, rows, strict=True):
        assert parted(prefix(start) + key) == (window.window(start, None).start, key)


@pytest.mark.parametrize("window", [Tumbling(HOUR), Hopping(HOUR, every=7 * MINUTE)])
@given(rows=st.lists(st.tuples(TIMES, st.sampled_from("ab"), st.integers(-9, 9)), max_size=80))
def test_a_frame_and_single_events_in_any_order_give_the_same_rows(
    window: Windows, rows: list[tuple[datetime, str, int]]
) -> None:
    whole, single = FormStage(), FormStage()
    counters, ranking = Counters("c", window=window), Ranking("r", window=window)
    frame = pl.DataFrame(rows, {"at": pl.Datetime("us", "UTC"), "key": pl.String, "n": pl.Int64}, orient="row")
    counters.bind(whole.session).add(frame, key="key", field="key", amount="n", at="at")
    ranking.bind(whole.session).add(frame, key="key", member="key", weight="n", at="at")
    for at, key, number in reversed(rows):
        counters.bind(single.session).add_one(key, key, number, at=at)
        ranking.bind(single.session).add_one(key, key, number, at=at)
    for stage in (whole, single):
        stage.commit()
    for form in (counters, ranking):
        found = [to_frame(form, stage.technology, stage.describe(form)) for stage in (whole, single)]
        assert found[0].equals(found[1])
        assert found[0].columns[:2] == ["window", "key"]


def test_windows_that_are_none_are_refused() -> None:
    for size, every in ((0, 1), (-1, 1), (5, 6), (101, 1)):
        with pytest.raises(FormatRefused, match=r"windows have the|are none"):
            Windows(timedelta(seconds=size), timedelta(seconds=every))
    with pytest.raises(FormatRefused, match="whole milliseconds"):
        Tumbling(timedelta(microseconds=1500))
    with pytest.raises(FormatRefused, match="no windows that could go"):
        Counters("c", retention=HOUR)
    with pytest.raises(FormatRefused, match="has the retention"):
        Ranking("r", window=Tumbling(HOUR), retention=-HOUR)
    with pytest.raises(FormatRefused, match="windows and a half-life"):
        Ranking("r", window=Tumbling(HOUR), half_life=HOUR)
    with pytest.raises(WriteRefused, match="years 1 and 9999"):
        prefix(10**15)


def test_what_is_kept_by_window_is_written_and_read_by_time_and_the_rest_is_not() -> None:
    stage = FormStage()
    counters, ranking, plain = Counters("c", window=Tumbling(HOUR)), Ranking("r", window=Tumbling(HOUR)), Counters("p")
    frame = pl.DataFrame({"key": ["k"], "at": [START]})
    with pytest.raises(WriteRefused, match="by window, so `at` must say when"):
        counters.bind(stage.session).add(frame, key="key")
    with pytest.raises(WriteRefused, match="by window, so `at` must say when"):
        counters.bind(stage.session).add_one("k")
    with pytest.raises(WriteRefused, match="no time zone"):
        counters.bind(stage.session).add_one("k", at=datetime(2026, 1, 1))
    with pytest.raises(WriteRefused, match="by window, so `at` must name"):
        ranking.bind(stage.session).add(frame, key="key", member="key")
    with pytest.raises(WriteRefused, match="are added, not put"):
        ranking.bind(stage.session).put(frame, key="key", member="key", score="key")
    with pytest.raises(FormatRefused, match="so `at` must say which"):
        ask(stage.reader(CountersReader, counters).get("k"))
    with pytest.raises(FormatRefused, match="leave `at` out"):
        ask(stage.reader(CountersReader, plain).get("k", at=START))
    with pytest.raises(FormatRefused, match="so `at` must say which"):
        ask(stage.reader(RankingReader, ranking).top("k", 5))
    with pytest.raises(FormatRefused, match="at most 10,000 are read at once"):
        ask(stage.reader(CountersReader, counters).windows("k", START, START + timedelta(days=500)))


def test_people_look_at_the_row_of_a_window_by_its_key() -> None:
    stage = FormStage()
    ranking = Ranking("r", window=Hopping(HOUR, every=30 * MINUTE))
    item = stage.describe(ranking)
    ranking.bind(stage.session).add_one("k", "m", at=START)
    stage.commit()
    [first, second] = sorted(ask(browsing.keys(stage.reads, item, 5)))
    assert (first, second) == ("2025-12-31T23:30:00.000Z/k", "2026-01-01T00:00:00.000Z/k")
    assert ask(browsing.row(stage.reads, item, second)) == [{"member": "m", "score": 1.0}]
