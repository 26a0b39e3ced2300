"""What must have come of the events, by plain dictionaries that share nothing with the learners, and the comparison."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import polars as pl

from benchmarks.prove_loop.rows import Difference, Key, compare_counts, compare_decayed
from benchmarks.prove_storage.product import ALLOWED, HALF_LIFE, KEPT, PARTITIONS, START, WINDOW
from streams import partition_of

Events = Sequence[Mapping[str, Any]]


def compared(events: Events, found: Mapping[str, pl.DataFrame]) -> Difference:
    """Every row of every storage against the offline fold: integers and owned rows exactly, decayed scores at 1e-9.

    Args:
        events: all that were sent, in order.
        found: storage name -> its rows.
    """
    difference = Difference(0, 0, 0)
    for name, frame in found.items():
        difference += _COMPARED[name](events, frame)
    return difference


def star_counts(events: Events, frame: pl.DataFrame) -> Difference:
    """Per film, how often each number of stars."""
    return compare_counts(Counter((event["item"], str(event["stars"])) for event in events), _fields(frame))


def lengths(events: Events, frame: pl.DataFrame) -> Difference:
    """Per viewer the number of events."""
    return compare_counts(Counter(("all", event["user"]) for event in events), _fields(frame))


def trend(events: Events, frame: pl.DataFrame) -> Difference:
    """Per film the decayed weight at the newest event, by the definition: one half-life older weighs half."""
    newest: datetime = max(event["at"] for event in events)
    scores: dict[Key, float] = defaultdict(float)
    for event in events:
        scores["all", event["item"]] += 2.0 ** ((event["at"] - newest) / HALF_LIFE)
    rows = {(key, member): score for key, member, score in frame.select("key", "member", "score").iter_rows()}
    return compare_decayed(scores, rows)


def on_time(events: Events, frame: pl.DataFrame) -> Difference:
    """Per window and film the number of events, without those that were late on their partition."""
    newest: dict[int, datetime] = {}
    wanted: Counter[tuple[str, str]] = Counter()
    for event in events:
        partition, at = partition_of(event["user"].encode(), PARTITIONS), event["at"]
        if at >= newest.get(partition, at) - ALLOWED:
            wanted[event["item"], str(START + (at - START) // WINDOW * WINDOW)] += 1
        newest[partition] = max(at, newest.get(partition, at))
    found = frame.select("key", "window", "value").iter_rows()
    return compare_counts(wanted, {(key, str(window)): value for key, window, value in found})


def histories(events: Events, frame: pl.DataFrame) -> Difference:
    """Per viewer how many events, and the last in order. The rows name no viewer: their events do."""
    wanted: dict[str, list[int]] = defaultdict(list)
    for event in events:
        wanted[event["user"]].append(event["number"])
    found = {_viewer(events, row["numbers"]): row for row in frame.iter_rows(named=True)}
    lost = doubled = 0
    for user in wanted.keys() | found.keys():
        want, row = wanted.get(user, []), found.get(user, {"events": 0, "numbers": []})
        lost += max(0, len(want) - row["events"])
        doubled += max(0, row["events"] - len(want))
        lost += len(want) == row["events"] and want[-KEPT:] != row["numbers"]
    return Difference(lost, doubled, len(wanted))


def last_events(events: Events, frame: pl.DataFrame) -> Difference:
    """Per viewer the last event. A row that shows an older one has lost it."""
    wanted = {event["user"]: (event["number"], event["item"]) for event in events}
    found = {_viewer(events, [row["number"]]): (row["number"], row["item"]) for row in frame.iter_rows(named=True)}
    lost = sum(found.get(user) != row for user, row in wanted.items())
    return Difference(lost, len(found.keys() - wanted.keys()) + frame.height - len(found), len(wanted))


def _viewer(events: Events, numbers: Sequence[int]) -> str:
    return str(events[numbers[-1]]["user"]) if numbers and numbers[-1] < len(events) else ""


def _fields(frame: pl.DataFrame) -> dict[Key, float]:
    return {(key, name): value for key, name, value in frame.select("key", "field", "value").iter_rows()}


_COMPARED = {
    "star_counts": star_counts,
    "lengths": lengths,
    "trend": trend,
    "histories": histories,
    "last_events": last_events,
    "on_time": on_time,
}
