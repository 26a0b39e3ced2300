"""Rankings: per key members by score, added to by any number of units, or put by one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar

import polars as pl

from storage.address import Address
from storage.columns import number_column, text_column, time_column
from storage.decay import HALF_LIVES, bucket_of, grown
from storage.errors import FormatRefused, WriteRefused
from storage.format import Format


class Ranking(Format):
    """Members by score, best first; ties by member. Added rows are write-only while folding.

    Args:
        half_life: scores are halved with every such span of event time (see `decay.py`); None = they stay.
        size: at most so many members of a row are read; what is folded is never limited, because trimming while
            folding would depend on where batches end.

    Raises:
        FormatRefused: an option makes no sense.
    """

    format: ClassVar[str] = "ranking"

    def __init__(
        self, name: str, half_life: timedelta | None = None, size: int | None = None, technology: str = "redis"
    ) -> None:
        super().__init__(name, technology)
        if half_life is not None and half_life < timedelta(milliseconds=1):
            raise FormatRefused(f"{self.storage} has the half-life {half_life}; it must be a millisecond or more.")
        if size is not None and size < 1:
            raise FormatRefused(f"{self.storage} has the size {size}; at least one member can be read.")
        self.half_life, self.size = half_life, size
        self._half_life_ms = 0 if half_life is None else round(half_life / timedelta(milliseconds=1))
        self._addresses: dict[tuple[str, int | None], Address] = {}

    @property
    def options(self) -> Mapping[str, Any]:
        """Half-life in milliseconds, or None, and size."""
        return {"half_life_ms": self._half_life_ms or None, "size": self.size}

    def add(self, frame: pl.DataFrame, key: str, member: str, weight: str | None = None, at: str | None = None) -> None:
        """Add a weight, 1 if there is no column of weights, to a member for each row of a frame.

        Args:
            key, member, weight, at: names of columns; `at` says when, and is needed where scores decay.

        Raises:
            WriteRefused: a null, or a weight that is no finite number.
        """
        if not frame.height:
            return
        found = pl.DataFrame(
            {"key": text_column(frame, key, self.storage), "member": text_column(frame, member, self.storage)}
        )
        weights = None if weight is None else number_column(frame, weight, self.storage)
        summed = pl.len().cast(pl.Float64) if weights is None else pl.col("weight").sum()
        if weights is not None:
            found = found.with_columns(weights.alias("weight"))
        if not self._half_life_ms:
            for name, other, amount in found.group_by("key", "member").agg(summed).iter_rows():
                self._score(name, other, amount, None)
            return
        found = self._decaying(found, frame, at)
        for name, other, bucket, amount in (
            found.group_by("key", "member", "bucket").agg(pl.col("weight").sum()).iter_rows()
        ):
            self._score(name, other, amount, bucket)

    def add_one(self, key: str, member: str, weight: float = 1.0, at: datetime | None = None) -> None:
        """Add a weight to one member. Raises WriteRefused as `add` does."""
        if not math.isfinite(weight):
            raise WriteRefused(f"{self.storage}: the weight {weight} of {member!r} is no finite number.")
        if not self._half_life_ms:
            self._score(key, member, weight, None)
            return
        if at is None or at.tzinfo is None:
            raise WriteRefused(f"{self.storage} decays, so `at` must say when, with a time zone.")
        at_ms = math.floor(at.timestamp() * 1000 + 1e-6)
        self.session.writes.see(self.storage, at_ms)
        bucket = bucket_of(at_ms, self._half_life_ms)
        self._score(key, member, grown(weight, at_ms, self._half_life_ms), bucket)

    def put(self, frame: pl.DataFrame, key: str, member: str, score: str) -> None:
        """Set scores; of several rows for one member the last counts. Only under the topic's key.

        Raises:
            PutRefused: under another key.
            WriteRefused: a null or a score that is no finite number; or the ranking decays, or is added to as well.
        """
        self.session.must_own(self.storage, key)
        keys, members = text_column(frame, key, self.storage), text_column(frame, member, self.storage)
        for name, other, value in zip(keys, members, number_column(frame, score, self.storage), strict=True):
            self._rank(name, other, value)

    def put_one(self, key: str, member: str, score: float) -> None:
        """Set one member's score. Raises as `put` does."""
        self.session.must_own_row(self.storage, key)
        if not math.isfinite(score):
            raise WriteRefused(f"{self.storage}: the score {score} of {member!r} is no finite number.")
        self._rank(key, member, float(score))

    def _decaying(self, found: pl.DataFrame, frame: pl.DataFrame, at: str | None) -> pl.DataFrame:
        if at is None:
            raise WriteRefused(f"{self.storage} decays, so `at` must name the column that says when.")
        times = time_column(frame, at, self.storage)
        newest = times.max()
        assert isinstance(newest, int)
        self.session.writes.see(self.storage, newest)
        span = HALF_LIVES * self._half_life_ms
        bucket = pl.col("at").floordiv(span)
        age = (pl.col("at") - pl.col("bucket") * span).cast(pl.Float64)
        weight = pl.col("weight") if "weight" in found.columns else pl.lit(1.0)
        return (
            found.with_columns(times.alias("at"))
            .with_columns(bucket.alias("bucket"))
            .with_columns((weight * (age * (math.log(2) / self._half_life_ms)).exp()).alias("weight"))
        )

    def _score(self, key: str, member: str, amount: float, bucket: int | None) -> None:
        row = self.session.writes.scores.setdefault(self._address(key, bucket), {})
        row[member] = row.get(member, 0.0) + amount

    def _rank(self, key: str, member: str, score: float) -> None:
        if self._half_life_ms:
            raise WriteRefused(f"{self.storage} decays; scores that decay are added, not put.")
        address = self._address(key, None)
        if member in self.session.writes.scores.get(address, ()):
            raise WriteRefused(f"{self.storage}: {member!r} is both added to and put; do one of the two.")
        self.session.writes.ranks.setdefault(address, {})[member] = score

    def _address(self, key: str, bucket: int | None) -> Address:
        found = self._addresses.get((key, bucket))
        if found is None:
            if len(self._addresses) > 100_000:
                self._addresses.clear()
            found = self._addresses[key, bucket] = Address(self.storage, key, bucket)
        return found
