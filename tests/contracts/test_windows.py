"""Windows of event time and watermarks, written through a session and read back: the same in every technology."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

from storage import Counters, CountersReader, Hopping, Ranking, RankingReader, Tumbling
from storage.formats.watermark import Watermark
from storage.formats.window import Windows
from storage.versions import trim
from tests.contracts.conftest import Sides, needs
from tests.storage.form_stage import START, FormStage

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
TUMBLING, HOPPING = Tumbling(hours=1), Hopping(HOUR, every=25 * MINUTE)


@pytest.fixture
def stage(sides: Sides) -> FormStage:
    """A unit of a learner of its own."""
    return FormStage(sides.technology, sides.reads, sides.learner())


def views(count: int = 100) -> pl.DataFrame:
    """Views of a few films, one every four minutes."""
    return pl.DataFrame(
        {
            "list": ["all"] * count,
            "item": [f"i:{number * number % 13}/é" for number in range(count)],
            "at": [START + 4 * number * MINUTE for number in range(count)],
        }
    )


def holding(frame: pl.DataFrame, window: Windows) -> dict[datetime, list[str]]:
    """By the plainest loop: the items of each window."""
    every, size = window.every * timedelta(milliseconds=1), window.size * timedelta(milliseconds=1)
    epoch = START.replace(year=1970)
    found: dict[datetime, list[str]] = {}
    for item, at in frame.select("item", "at").iter_rows():
        start = at - (at - epoch) % every
        while start + size > at:
            found.setdefault(start, []).append(item)
            start -= every
    return found


@pytest.mark.parametrize("window", [TUMBLING, HOPPING])
def test_counters_by_window(sides: Sides, stage: FormStage, window: Windows) -> None:
    needs(sides.technology, "counters")
    form, frame = Counters("hourly", window=window), views()
    bound, reader = form.bind(stage.session), stage.reader(CountersReader, form)
    for part in (frame[60:], frame[:60]):
        bound.add(part, key="list", field="item", at="at")
        stage.commit()
    expected = {start: {item: items.count(item) for item in items} for start, items in holding(frame, window).items()}
    found = sides.ask(reader.windows("all", START - 9 * HOUR, START + 9 * HOUR))
    assert {each.start: each.value for each in found} == expected
    assert [each.start for each in found] == sorted(expected)
    assert {each.end - each.start for each in found} == {HOUR}
    at = START + 3 * HOUR + 7 * MINUTE
    [first, *_] = [start for start in sorted(expected) if start <= at < start + HOUR]
    assert sides.ask(reader.get_many(["all", "nobody"], at=at)) == [expected[first], {}]


def test_a_ranking_by_window(sides: Sides, stage: FormStage) -> None:
    needs(sides.technology, "ranking")
    form, frame = Ranking("hourly", window=TUMBLING), views()
    bound, reader = form.bind(stage.session), stage.reader(RankingReader, form)
    for part in (frame[70:], frame[:70]):
        bound.add(part, key="list", member="item", at="at")
        stage.commit()
    for start, items in holding(frame, TUMBLING).items():
        order = sorted({item: float(items.count(item)) for item in items}.items(), key=lambda one: (-one[1], one[0]))
        assert sides.ask(reader.top("all", 3, at=start + 59 * MINUTE)) == order[:3]
        assert sides.ask(reader.scores("all", [order[0][0], "none"], at=start)) == [order[0][1], None]
    assert sides.ask(reader.top("all", 3, at=START - MINUTE)) == []


def test_windows_that_were_kept_long_enough_are_removed_as_a_whole(sides: Sides, stage: FormStage) -> None:
    needs(sides.technology, "counters", "ranking")
    counters = Counters("kept", window=TUMBLING, retention=2 * HOUR)
    ranking = Ranking("kept", window=HOPPING, retention=2 * HOUR)
    forever = Counters("forever", window=TUMBLING)
    forms: list[Counters | Ranking] = [counters, ranking, forever]
    items = [stage.describe(form) for form in forms]
    frame = views()
    counters.bind(stage.session).add(frame, key="list", field="item", at="at")
    ranking.bind(stage.session).add(frame, key="list", member="item", at="at")
    forever.bind(stage.session).add(frame, key="list", at="at")
    watermark = START + 6 * HOUR + 10 * MINUTE
    stage.commit(int(watermark.timestamp() * 1000))
    everything = START - 9 * HOUR, START + 9 * HOUR
    shown = sides.ask(stage.reader(CountersReader, counters).windows("all", *everything))
    assert [each.start for each in shown] == [START + hour * HOUR for hour in (4, 5, 6)], "before they are removed"
    assert sides.ask(stage.reader(CountersReader, counters).get("all", at=START + 3 * HOUR)) == {}
    assert sides.ask(stage.reader(RankingReader, ranking).top("all", 9, at=START + 3 * HOUR)) == []
    assert sides.ask(stage.reader(RankingReader, ranking).scores("all", ["i:0/é"], at=START + 3 * HOUR)) == [None]
    assert len(sides.ask(stage.reader(CountersReader, forever).windows("all", *everything))) == 7
    before = [dict(sides.technology.dump(item)) for item in items]
    trimmed: dict[str, int] = {}
    for _ in range(2):
        trim(sides.technology, trimmed)
        for form, item, rows in zip(forms, items, before, strict=True):
            assert form.window is not None
            size = form.window.size * timedelta(milliseconds=1)
            kept = {
                address: row
                for address, row in rows.items()
                if form is forever or datetime.fromisoformat(address.key[:24]) + size > watermark - 2 * HOUR
            }
            assert dict(sides.technology.dump(item)) == kept
            assert 0 < len(kept) < len(rows) or form is forever
            assert sides.ask(sides.reads.count(item)) in (sum(map(len, kept.values())), None)


def test_a_watermark_is_known_again_after_a_claim(sides: Sides, stage: FormStage) -> None:
    needs(sides.technology, ability="load")
    form = Watermark("time", allowed_ms=10)
    stage.describe(form)
    other = FormStage(sides.technology, sides.reads, stage.learner, partition=11)

    def late(unit: FormStage, *times: int) -> list[bool]:
        bound = form.bind(unit.session)
        return [bool(each) for each in bound.late(np.array(times), np.full(len(times), fill_value=True))[0]]

    assert late(stage, 100, 95, 89) == [False, False, True]
    stage.commit()
    stage.claim()
    assert late(stage, 95, 89, 200, 189) == [False, True, False, True]
    stage.session.take()
    stage.claim()
    assert late(stage, 95) == [False], "nothing was committed"
    assert late(other, 1) == [False], "it is of one unit"
