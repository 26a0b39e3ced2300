"""The fault runs' comparison finds every event that is lost, repeated or out of order: a check that cannot fail proves
nothing."""

from __future__ import annotations

from itertools import islice
from typing import Any

import polars as pl
import pytest

from benchmarks.prove_storage.control import compared
from benchmarks.prove_storage.product import event_type as ratings
from benchmarks.prove_storage.product import learners, rating_events
from learners.replay import Replay
from storage.formats.watermark import EventTime, Watermark

EVENTS = list(islice(rating_events(seed=1, users=40), 500))


def learned(events: list[dict[str, Any]]) -> dict[str, pl.DataFrame]:
    """What the learners make of events, in memory."""
    replay = Replay(learners("ratings", "memory"), {"ratings": ratings("ratings")}, partitions=4)
    replay.fold("ratings", pl.DataFrame(events, ratings("ratings").frame_schema))
    return replay.frames()


def test_the_fold_of_all_events_differs_in_nothing() -> None:
    found = learned(EVENTS)
    assert set(found) == {"star_counts", "histories", "lengths", "trend", "last_events", "on_time"}
    difference = compared(EVENTS, found)
    assert (difference.lost, difference.duplicated) == (0, 0)
    assert difference.rows > 300


@pytest.mark.parametrize("place", [0, 250, 498])
@pytest.mark.parametrize("storage", ["star_counts", "histories", "lengths", "trend", "on_time"])
def test_a_lost_event_is_found_in_each_storage(storage: str, place: int) -> None:
    found = learned(EVENTS[:place] + EVENTS[place + 1 :])
    difference = compared(EVENTS, {storage: found[storage]})
    assert difference.lost >= 1
    assert difference.duplicated == 0


@pytest.mark.parametrize("place", [0, 250, 498])
@pytest.mark.parametrize("storage", ["star_counts", "histories", "lengths", "trend", "on_time"])
def test_a_repeated_event_is_found_in_each_storage(storage: str, place: int) -> None:
    found = learned(EVENTS[: place + 1] + EVENTS[place:])
    difference = compared(EVENTS, {storage: found[storage]})
    assert difference.duplicated >= 1


def test_a_lost_last_event_and_a_row_that_went_back_are_found() -> None:
    last = max(number for number, event in enumerate(EVENTS) if event["user"] == EVENTS[0]["user"])
    for events in (EVENTS[:last] + EVENTS[last + 1 :], [*EVENTS, EVENTS[0]]):
        difference = compared(EVENTS, {"last_events": learned(events)["last_events"]})
        assert (difference.lost, difference.duplicated) == (1, 0)


def test_a_history_in_another_order_is_found() -> None:
    mine = [number for number, event in enumerate(EVENTS) if event["user"] == EVENTS[0]["user"]][-2:]
    events = list(EVENTS)
    events[mine[0]], events[mine[1]] = events[mine[1]], events[mine[0]]
    assert compared(EVENTS, {"histories": learned(events)["histories"]}).lost == 1


def test_a_watermark_that_is_forgotten_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Watermark, "_restored", lambda self: EventTime("0"))
    replay = Replay(learners("ratings", "memory"), {"ratings": ratings("ratings")}, partitions=4)
    for start in range(0, len(EVENTS), 50):
        replay.fold("ratings", pl.DataFrame(EVENTS[start : start + 50], ratings("ratings").frame_schema))
        replay.restart()
    assert compared(EVENTS, {"on_time": replay.frames()["on_time"]}).duplicated >= 1
