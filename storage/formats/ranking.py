"""Rankings: per key members by score, added to by any number of units, or put by one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Literal

import polars as pl

from storage.address import Address
from storage.errors import FormatRefused, WriteRefused
from storage.formats.columns import number_column, plain_times, text_column, time_column
from storage.formats.decay import HALF_LIVES, bucket_of, grown
from storage.formats.format import Format
from storage.formats.window import Windows, prefix, since_1970, window_options

FEW = 64
"""So many rows are added up sooner by a loop than by polars."""
LONGEST_HALF_LIFE = timedelta(days=36_525)
"""A hundred years: what fades more slowly does not fade, and 32 of them in microseconds are still far from 64 bits."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND, _MICROSECOND = timedelta(milliseconds=1), timedelta(microseconds=1)


class Ranking(Format):
    """Members by score, best first; ties by member. Added rows are write-only while folding.

    Args:
        half_life: scores are halved with every such span of event time (see `decay.py`); None = they stay.
        size: at most so many members of a row are read; what is folded is never limited, because trimming while
            folding would depend on where batches end.
        window: each key has members of its own in each such window of event time, which are added to; None = there are
            no windows. It takes the place of a half-life.
        retention: so long after its end, by the watermark, a window is kept; None = always.

    Raises:
        FormatRefused: an option makes no sense.
    """

    format: ClassVar[str] = "ranking"

    def __init__(
        self,
        name: str,
        half_life: timedelta | None = None,
        size: int | None = None,
        technology: str | None = None,
        *,
        window: Windows | None = None,
        retention: timedelta | None = None,
    ) -> None:
        super().__init__(name, technology)
        if half_life is not None and (half_life < _MILLISECOND or half_life % _MILLISECOND):
            raise FormatRefused(f"{self.storage} has the half-life {half_life}; it must be whole milliseconds.")
        if half_life is not None and half_life > LONGEST_HALF_LIFE:
            raise FormatRefused(
                f"{self.storage} has the half-life {half_life}; it is at most {LONGEST_HALF_LIFE.days} days. Leave it "
                "out where scores are to stay as they are."
            )
        if size is not None and size < 1:
            raise FormatRefused(f"{self.storage} has the size {size}; at least one member can be read.")
        if window is not None and half_life is not None:
            raise FormatRefused(f"{self.storage} has windows and a half-life; scores fade, or begin anew, not both.")
        self.half_life, self.size, self.window = half_life, size, window
        self._windows = window_options(window, retention, self.storage)
        self._half_life_ms = 0 if half_life is None else half_life // _MILLISECOND
        self._written_by: Literal["add", "put"] | None = None
        self._addresses: dict[tuple[str, int | None], Address] = {}

    @property
    def options(self) -> Mapping[str, Any]:
        """Half-life in milliseconds, or None, and size; of windows their size and start, and how long they are kept."""
        return {"half_life_ms": self._half_life_ms or None, "size": self.size, **self._windows}

    def add(self, frame: pl.DataFrame, key: str, member: str, weight: str | None = None, at: str | None = None) -> None:
        """Add a weight, 1 if there is no column of weights, to a member for each row of a frame.

        Args:
            key, member, weight, at: names of columns; `at` says when, and is needed where scores decay or are kept by
                window.

        Raises:
            WriteRefused: a null, or a weight that is no finite number.
        """
        self._writes("add")
        if not frame.height:
            return
        if frame.height <= FEW:
            self._add_few(frame, key, member, weight, at)
            return
        found = pl.DataFrame(
            {"key": text_column(frame, key, self.storage), "member": text_column(frame, member, self.storage)}
        )
        weights = None if weight is None else number_column(frame, weight, self.storage)
        summed = pl.len().cast(pl.Float64) if weights is None else pl.col("weight").sum()
        if weights is not None:
            found = found.with_columns(weights.alias("weight"))
        if self.window is not None:
            found = found.with_columns(time_column(frame, self._time_column(at), self.storage).alias("at") // 1000)
            spread = self.window.spread(found, "at").group_by("at", "key", "member").agg(summed)
            for start, name, other, amount in spread.iter_rows():
                self._score(prefix(start) + name, other, amount, None)
            return
        if not self._half_life_ms:
            for name, other, amount in found.group_by("key", "member").agg(summed).iter_rows():
                self._score(name, other, amount, None)
            return
        found = self._decaying(found, frame, at)
        grouped = found.group_by("key", "member", "bucket").agg(pl.col("weight").sum())
        for name, other, bucket, amount in grouped.iter_rows():
            self._score(name, other, amount, bucket)

    def add_one(self, key: str, member: str, weight: float = 1.0, at: datetime | None = None) -> None:
        """Add a weight to one member. Raises WriteRefused as `add` does."""
        if self._written_by != "add":
            self._writes("add")
        self._check(key, member, weight)
        self._add(key, member, weight, at)

    def _add_few(self, frame: pl.DataFrame, key: str, member: str, weight: str | None, at: str | None) -> None:
        times: list[Any] = [None] * frame.height
        if self._half_life_ms or self.window is not None:
            times = plain_times(frame, self._time_column(at), self.storage)
        keys = text_column(frame, key, self.storage).to_list()
        members = text_column(frame, member, self.storage).to_list()
        weights = [1.0] * frame.height if weight is None else number_column(frame, weight, self.storage).to_list()
        for one in zip(keys, members, weights, times, strict=True):
            self._add(*one)

    def _add(self, key: str, member: str, weight: float, at: datetime | None) -> None:
        if not self._half_life_ms and self.window is None:
            self._score(key, member, weight, None)
            return
        if at is None or at.tzinfo is None:
            raise WriteRefused(f"{self.storage} {self._timed}, so `at` must say when, with a time zone.")
        if self.window is not None:
            for start in self.window.starts(since_1970(at)):
                self._score(prefix(start) + key, member, weight, None)
            return
        at_us, half_life_us = (at - _EPOCH) // _MICROSECOND, self._half_life_ms * 1000
        self.session.writes.see(self.storage, at_us // 1000)
        self._score(key, member, grown(weight, at_us, half_life_us), bucket_of(at_us, half_life_us))

    def put(self, frame: pl.DataFrame, key: str, member: str, score: str) -> None:
        """Set scores; of several rows for one member the last counts. Only under the topic's key.

        Raises:
            PutRefused: under another key.
            WriteRefused: a null or a score that is no finite number; or the ranking decays, or is added to as well.
        """
        self._writes("put")
        self.session.must_own(self.storage, key)
        keys, members = text_column(frame, key, self.storage), text_column(frame, member, self.storage)
        for name, other, value in zip(keys, members, number_column(frame, score, self.storage), strict=True):
            self._rank(name, other, value)

    def put_one(self, key: str, member: str, score: float) -> None:
        """Set one member's score. Raises as `put` does."""
        self._writes("put")
        self.session.must_own_row(self.storage, key)
        self._check(key, member, score)
        self._rank(key, member, float(score))

    def _decaying(self, found: pl.DataFrame, frame: pl.DataFrame, at: str | None) -> pl.DataFrame:
        times = time_column(frame, self._time_column(at), self.storage)
        newest = times.max()
        assert isinstance(newest, int)
        self.session.writes.see(self.storage, newest // 1000)
        span = HALF_LIVES * self._half_life_ms * 1000
        bucket = pl.col("at").floordiv(span)
        age = (pl.col("at") - pl.col("bucket") * span).cast(pl.Float64)
        weight = pl.col("weight") if "weight" in found.columns else pl.lit(1.0)
        return (
            found.with_columns(times.alias("at"))
            .with_columns(bucket.alias("bucket"))
            .with_columns((weight * (age * (math.log(2) / (self._half_life_ms * 1000))).exp()).alias("weight"))
        )

    def _score(self, key: str, member: str, amount: float, bucket: int | None) -> None:
        row = self.session.writes.scores.setdefault(self._address(key, bucket), {})
        row[member] = row.get(member, 0.0) + amount

    def _rank(self, key: str, member: str, score: float) -> None:
        self.session.writes.ranks.setdefault(self._address(key, None), {})[member] = score

    def _writes(self, how: Literal["add", "put"]) -> None:
        """Refuse what would make scores depend on the order in which units commit."""
        if how == "put" and self.window is not None:
            raise WriteRefused(f"{self.storage} is kept by window; scores of a window are added, not put.")
        if how == "put" and self._half_life_ms:
            raise WriteRefused(f"{self.storage} decays; scores that decay are added, not put.")
        if self.session and self._written_by not in (None, how):
            raise WriteRefused(f"{self.storage} is both added to and put; use two rankings.")
        self._written_by = how

    def _check(self, key: str, member: str, score: float) -> None:
        if not isinstance(key, str) or not isinstance(member, str):
            raise WriteRefused(f"{self.storage} takes text as key and member, not {key!r} and {member!r}.")
        if not math.isfinite(score):
            raise WriteRefused(f"{self.storage}: the score {score} of {member!r} is no finite number.")

    def _time_column(self, at: str | None) -> str:
        if at is None:
            raise WriteRefused(f"{self.storage} {self._timed}, so `at` must name the column that says when.")
        return at

    @property
    def _timed(self) -> str:
        return "decays" if self.window is None else "is kept by window"

    def _address(self, key: str, bucket: int | None) -> Address:
        found = self._addresses.get((key, bucket))
        if found is None:
            if len(self._addresses) > 100_000:
                self._addresses.clear()
            found = self._addresses[key, bucket] = Address(self.storage, key, bucket)
        return found
