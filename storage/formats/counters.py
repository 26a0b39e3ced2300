"""Counters: per key a few integers by name, added to by any number of units."""

from __future__ import annotations

from itertools import repeat
from typing import ClassVar

import polars as pl

from storage.address import Address, addresses
from storage.errors import WriteRefused
from storage.formats.columns import integer_column, text_column
from storage.formats.format import Format

COUNT = "count"
"""The field of counters that have only one."""
FEW = 1_000
"""So many rows are added up sooner by a loop than by polars."""


class Counters(Format):
    """Integers by key and field; exact up to 2^53. Added rows are write-only while folding."""

    format: ClassVar[str] = "counters"

    def add(self, frame: pl.DataFrame, key: str, field: str | None = None, amount: str | None = None) -> None:
        """Add one for each row of a frame, or the integers in a column.

        Args:
            key, field, amount: names of columns; without `field` all is added to the field "count".

        Raises:
            WriteRefused: a key or a field is null, or an amount is no integer.
        """
        if not frame.height:
            return
        keys = text_column(frame, key, self.storage)
        fields = None if field is None else text_column(frame, field, self.storage)
        amounts = None if amount is None else integer_column(frame, amount, self.storage)
        if frame.height > FEW:
            keys, fields, amounts = _grouped(keys, fields, amounts)
        names = repeat(COUNT) if fields is None else fields.to_list()
        numbers = repeat(1) if amounts is None else amounts.to_list()
        sums = self.session.writes.sums
        for address, name, number in zip(addresses(self.storage, keys.to_list()), names, numbers, strict=False):
            row = sums.get(address)
            if row is None:
                sums[address] = {name: number}
            else:
                row[name] = row.get(name, 0) + number

    def add_one(self, key: str, field: str = COUNT, amount: int = 1) -> None:
        """Add an integer. Raises WriteRefused if it is none."""
        if type(amount) is not int:
            raise WriteRefused(f"{self.storage} counts integers, not {amount!r}.")
        if not isinstance(key, str) or not isinstance(field, str):
            raise WriteRefused(f"{self.storage} takes text as key and field, not {key!r} and {field!r}.")
        row = self.session.writes.sums.setdefault(Address(self.storage, key), {})
        row[field] = row.get(field, 0) + amount


def _grouped(
    keys: pl.Series, fields: pl.Series | None, amounts: pl.Series | None
) -> tuple[pl.Series, pl.Series | None, pl.Series]:
    by = {"key": keys} if fields is None else {"key": keys, "field": fields}
    total = pl.len().cast(pl.Int64).alias("amount") if amounts is None else pl.col("amount").sum()
    frame = pl.DataFrame(by if amounts is None else {**by, "amount": amounts}).group_by(*by).agg(total)
    return frame["key"], None if fields is None else frame["field"], frame["amount"]
