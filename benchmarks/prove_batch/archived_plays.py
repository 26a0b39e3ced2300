"""Plays in an archive, written by the archive's own code from columns that are made by the thousand."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np
import polars as pl

from benchmarks.prove_streams.plays import ITEMS, TOPIC, USERS
from benchmarks.prove_streams.product.events import Play
from streams.archive import Shelf
from streams.archive.columns import rows

PARTITIONS, AT_ONCE = 4, 500_000
START_MS = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1_000)


def fill(shelf: Shelf, events: int, seed: int = 6) -> None:
    """Archive so many, evenly on all partitions: as many commits as it takes, each of all partitions."""
    table = shelf.table(TOPIC)
    table.create(Play.event_type.frame_schema)
    begun = 0
    for frame in frames(events, seed):
        share = frame.height // PARTITIONS
        offsets = np.arange(begun, begun + share, dtype=np.int64)
        parts = [
            rows(frame[at * share : (at + 1) * share], at, offsets, START_MS + offsets * PARTITIONS)
            for at in range(PARTITIONS)
        ]
        table.append(pl.concat(parts), dict.fromkeys(range(PARTITIONS), (begun or None, begun + share)))
        begun += share


def frames(events: int, seed: int = 6) -> Iterator[pl.DataFrame]:
    """The events in pieces; users and songs are drawn evenly. The same for the same arguments."""
    chance = np.random.default_rng(seed)
    users = pl.Series([f"u{number}" for number in range(USERS)])
    items = pl.Series([f"i{number}" for number in range(ITEMS)])
    devices = pl.Series(["web", "tv", "car", "phone"])
    for first in range(0, events, AT_ONCE):
        count = min(AT_ONCE, events - first)
        times = pl.Series(np.arange(first, first + count, dtype=np.int64) + START_MS)
        yield pl.DataFrame(
            {
                "user": users.gather(chance.integers(0, USERS, count)),
                "item": items.gather(chance.integers(0, ITEMS, count)),
                "device": devices.gather(chance.integers(0, 4, count)),
                "seconds": chance.random(count) * 300,
                "place": np.arange(count) % 1_000,
                "liked": chance.random(count) < 0.2,
                "at": times.cast(pl.Datetime("ms", "UTC")),
                "decision": pl.Series([None] * count, dtype=pl.String),
            }
        ).cast(dict(Play.event_type.frame_schema))  # type: ignore[arg-type]


def counted(events: int, key: str, seed: int = 6) -> dict[str, int]:
    """How often each key comes, by polars alone."""
    parts = [frame.group_by(key).len() for frame in frames(events, seed)]
    found = pl.concat(parts).group_by(key).agg(pl.col("len").sum())
    return dict(found.select(key, "len").iter_rows())
