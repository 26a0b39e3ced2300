"""Counters: per key a few integers by name, added to by any number of units."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import repeat
from typing import Any, ClassVar

import polars as pl

from storage.address import Address, addresses
from storage.errors import WriteRefused
from storage.formats.columns import integer_column, text_column, time_column
from storage.formats.format import Format
from storage.formats.window import Windows, prefix, since_1970, window_options
from storage.writes import COUNT

FEW = 1_000
"""So many rows are added up sooner by a loop than by polars."""
MANY = 20_000
"""The same of rows that are only counted."""


class Counters(Format):
    """Integers by key and field; exact up to 2^53. Added rows are write-only while folding.

    Args:
        window: each key has integers of its own in each such window of event time; None = there are no windows.
        retention: so long after its end, by the watermark, a window is kept; None = always.

    Raises:
        FormatRefused: an option makes no sense.
    """

    format: ClassVar[str] = "counters"

    def __init__(
        self,
        name: str,
        technology: str | None = None,
        *,
        window: Windows | None = None,
        retention: timedelta | None = None,
    ) -> None:
        super().__init__(name, technology)
        self.window = window
        self._options = window_options(window, retention, self.storage)

    @property
    def options(self) -> Mapping[str, Any]:
        """Size and start of windows, and how long they are kept, in milliseconds, where there are any."""
        return self._options

    def add(
        self, frame: pl.DataFrame, key: str, field: str | None = None, amount: str | None = None, at: str | None = None
    ) -> None:
        """Add one for each row of a frame, or the integers in a column.

        Args:
            key, field, amount, at: names of columns; without `field` all is added to the field "count". `at` says
                when, and is needed where there are windows.

        Raises:
            WriteRefused: a key, a field or a time is null, or an amount is no integer.
        """
        if not frame.height:
            return
        keys = text_column(frame, key, self.storage)
        fields = None if field is None else text_column(frame, field, self.storage)
        amounts = None if amount is None else integer_column(frame, amount, self.storage)
        if self.window is not None:
            self._add_by_window(self.window, frame, keys, fields, amounts, at)
            return
        if frame.height > (MANY if fields is None and amounts is None else FEW):
            keys, fields, amounts = _grouped(keys, fields, amounts)
        numbers = None if amounts is None else amounts.to_list()
        if fields is None:
            self.session.writes.count(self.storage, keys.to_list(), numbers)
            return
        sums = self.session.writes.sums
        rows = zip(addresses(self.storage, keys.to_list()), fields.to_list(), numbers or repeat(1), strict=False)
        for address, name, number in rows:
            row = sums.get(address)
            if row is None:
                sums[address] = {name: number}
            else:
                row[name] = row.get(name, 0) + number

    def add_one(self, key: str, field: str = COUNT, amount: int = 1, at: datetime | None = None) -> None:
        """Add an integer. Raises WriteRefused if it is none, or if there are windows and `at` does not say when."""
        if type(amount) is not int:
            raise WriteRefused(f"{self.storage} counts integers, not {amount!r}.")
        if not isinstance(key, str) or not isinstance(field, str):
            raise WriteRefused(f"{self.storage} takes text as key and field, not {key!r} and {field!r}.")
        if self.window is None:
            self._add(key, field, amount)
            return
        if at is None:
            raise WriteRefused(self._no_time)
        for start in self.window.starts(since_1970(at)):
            self._add(prefix(start) + key, field, amount)

    def _add_by_window(
        self,
        window: Windows,
        frame: pl.DataFrame,
        keys: pl.Series,
        fields: pl.Series | None,
        amounts: pl.Series | None,
        at: str | None,
    ) -> None:
        if at is None:
            raise WriteRefused(self._no_time)
        found = {
            "at": time_column(frame, at, self.storage) // 1000,
            "key": keys,
            "amount": pl.repeat(1, frame.height, dtype=pl.Int64, eager=True) if amounts is None else amounts,
        }
        by = ["at", "key"] if fields is None else ["at", "key", "field"]
        if fields is not None:
            found["field"] = fields
        grouped = window.spread(pl.DataFrame(found), "at").group_by(by).agg(pl.col("amount").sum())
        if fields is None:
            rows = [prefix(start) + key for start, key in grouped.select(by).iter_rows()]
            self.session.writes.count(self.storage, rows, grouped["amount"].to_list())
            return
        for start, key, field, amount in grouped.iter_rows():
            self._add(prefix(start) + key, field, amount)

    @property
    def _no_time(self) -> str:
        return f"{self.storage} is kept by window, so `at` must say when."

    def _add(self, key: str, field: str, amount: int) -> None:
        row = self.session.writes.sums.setdefault(Address(self.storage, key), {})
        row[field] = row.get(field, 0) + amount


def _grouped(
    keys: pl.Series, fields: pl.Series | None, amounts: pl.Series | None
) -> tuple[pl.Series, pl.Series | None, pl.Series]:
    by = {"key": keys} if fields is None else {"key": keys, "field": fields}
    total = pl.len().cast(pl.Int64).alias("amount") if amounts is None else pl.col("amount").sum()
    frame = pl.DataFrame(by if amounts is None else {**by, "amount": amounts}).group_by(*by).agg(total)
    return frame["key"], None if fields is None else frame["field"], frame["amount"]
