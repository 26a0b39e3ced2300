"""Counters: per key a few integers by name, added to by any number of units."""

from __future__ import annotations

from typing import ClassVar

import polars as pl

from storage.address import Address
from storage.columns import text_column
from storage.errors import WriteRefused
from storage.format import Format

COUNT = "count"
"""The field of counters that have only one."""


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
        columns: list[pl.Series | pl.Expr] = [text_column(frame, key, self.storage).alias("key")]
        columns.append(
            pl.lit(COUNT).alias("field") if field is None else text_column(frame, field, self.storage).alias("field")
        )
        counted = pl.len().cast(pl.Int64).alias("amount")
        if amount is not None:
            columns.append(_integers(frame, amount, self.storage).alias("amount"))
            counted = pl.col("amount").sum()
        sums = self.session.writes.sums
        for name, inner, number in frame.select(columns).group_by("key", "field").agg(counted).iter_rows():
            row = sums.setdefault(Address(self.storage, name), {})
            row[inner] = row.get(inner, 0) + number

    def add_one(self, key: str, field: str = COUNT, amount: int = 1) -> None:
        """Add an integer. Raises WriteRefused if it is none."""
        if type(amount) is not int:
            raise WriteRefused(f"{self.storage} counts integers, not {amount!r}.")
        row = self.session.writes.sums.setdefault(Address(self.storage, key), {})
        row[field] = row.get(field, 0) + amount


def _integers(frame: pl.DataFrame, column: str, storage: str) -> pl.Series:
    found = frame[column]
    if not found.dtype.is_integer():
        raise WriteRefused(f"{storage} counts integers, and the column {column!r} has {found.dtype}.")
    if found.null_count():
        raise WriteRefused(f"{storage}: the column {column!r} has {found.null_count()} nulls; leave these rows out.")
    return found.cast(pl.Int64)
