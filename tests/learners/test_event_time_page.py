"""What docs/event-time.md shows is learned and read as it says."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType

import pytest

from learners import Replay
from storage import CountersReader, MemoryReads, RankingReader, RecordsReader, SessionWindow, SessionWindows
from storage.reader import Located
from tests.learners.samples import START
from tests.storage.form_stage import ask

PAGE = Path(__file__).parents[2] / "docs" / "event-time.md"


@pytest.fixture
def page() -> Iterator[ModuleType]:
    """The page's code, put together in its order."""
    module = ModuleType("event_time_page")
    sys.modules[module.__name__] = module
    exec("\n".join(re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.S)), vars(module))
    yield module
    del sys.modules[module.__name__]


def test_the_learner_of_the_page_counts_by_window_and_its_readers_find_that(
    page: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    replay = Replay([page.Hourly], {"clicks": page.Click.event_type}, partitions=2)
    minutes = [0, 59, 61, 58, 10]  # 58 is out of order by three minutes, 10 is late
    events = [page.Click("u1", "i42", START + timedelta(minutes=minute)) for minute in minutes]
    replay.fold("clicks", page.Click.event_type.frame(events))
    [declaration] = replay.declarations
    reads = MemoryReads(replay.memory)
    [views, trending] = [Located(reads, item) for item in declaration.descriptors(1) if item.format != "records"]
    now: datetime = START + timedelta(minutes=65)
    ask(page.of_today(CountersReader(lambda: views), RankingReader(lambda: trending), now))
    assert capsys.readouterr().out.splitlines() == [
        "{'count': 1}",
        "2026-01-01 00:00:00+00:00 2026-01-01 01:00:00+00:00 {'count': 3}",
        "2026-01-01 01:00:00+00:00 2026-01-01 02:00:00+00:00 {'count': 1}",
        "[('i42', 3.0)]",
    ]


def test_the_sessions_of_the_page_are_read_as_it_says(page: ModuleType) -> None:
    replay = Replay([page.Visits], {"clicks": page.Click.event_type})
    minutes = [0, 50, 80, 49]  # the last one is late
    events = [page.Click("u1", f"i{minute}", START + timedelta(minutes=minute)) for minute in minutes]
    replay.fold("clicks", page.Click.event_type.frame(events))
    [located] = [
        Located(MemoryReads(replay.memory), item)
        for item in replay.declarations[0].descriptors(1)
        if item.name == "visits"
    ]
    reader = RecordsReader[SessionWindows](lambda: located, SessionWindows)
    found = ask(page.last_visit("u1", reader))
    assert found == SessionWindow(START + timedelta(minutes=50), START + timedelta(minutes=80), {"i50": 1, "i80": 1})
    assert ask(page.last_visit("u2", reader)) is None
