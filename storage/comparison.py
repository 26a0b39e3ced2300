"""A version of a storage beside the one that is read: how many rows each has, and what some of them hold."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import fsum, isclose
from typing import Any

from storage import browsing
from storage.descriptor import Descriptor
from storage.technology import Reads

SAMPLE = 200
"""Rows that are looked at, some of each version's."""
FIELDS = 1_000
"""Of a counter's or a ranking's row so many fields or members."""
FEWER = 0.5
"""A version with less than this share of the rows is doubtful."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was found of a storage.

    Attributes:
        old, new: the versions.
        old_rows, new_rows: about how many there are; None = the technology cannot say cheaply.
        sampled: keys that were looked at.
        equal: rows that hold the same in both; floating-point numbers to nine digits.
        missing: rows that the old version has and the new one does not.
        added: the other way round.
        old_sum, new_sum: of all numbers in the rows that were looked at.
    """

    storage: str
    old: int
    new: int
    old_rows: int | None
    new_rows: int | None
    sampled: int
    equal: int
    missing: int
    added: int
    old_sum: float
    new_sum: float

    @property
    def doubt(self) -> str | None:
        """Why nobody should read the new version unseen; None = nothing speaks against it."""
        if not self.old_rows or self.new_rows is None or self.new_rows >= self.old_rows * FEWER:
            return None
        return f"{self.storage}@{self.new} has {self.new_rows:,} rows, and @{self.old} has {self.old_rows:,}"


async def compare(reads: Reads, old: Descriptor, new: Descriptor, size: int = SAMPLE) -> Comparison:
    """Look at both versions of a storage. They are not of one moment where one of them is still written.

    Raises:
        StorageError: a row cannot be read.
    """
    known = await asyncio.gather(*(browsing.keys(reads, item, size // 2) for item in (old, new)))
    keys = sorted({key for some in known for key in some})
    before, after = [
        await asyncio.gather(*(browsing.row(reads, item, key, FIELDS) for key in keys)) for item in (old, new)
    ]
    counts = await asyncio.gather(reads.count(old), reads.count(new))
    return judged(f"{old.technology}/{old.storage}", (old.version, new.version), counts, before, after)


def judged(
    storage: str,
    versions: tuple[int, int],
    counts: tuple[int | None, int | None],
    before: Sequence[Any],
    after: Sequence[Any],
) -> Comparison:
    """The comparison of rows of the same keys, as `browsing.row` gives them."""
    pairs = list(zip(before, after, strict=True))
    return Comparison(
        storage,
        old=versions[0],
        new=versions[1],
        old_rows=counts[0],
        new_rows=counts[1],
        sampled=len(pairs),
        equal=sum(_same(one, other) for one, other in pairs),
        missing=sum(other is None for _, other in pairs),
        added=sum(one is None for one, _ in pairs),
        old_sum=fsum(map(_sum, before)),
        new_sum=fsum(map(_sum, after)),
    )


def _same(old: Any, new: Any) -> bool:
    if isinstance(old, float) or isinstance(new, float):
        return isinstance(old, int | float) and isinstance(new, int | float) and isclose(old, new, rel_tol=1e-9)
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return old.keys() == new.keys() and all(_same(old[name], new[name]) for name in old)
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(map(_same, old, new))
    return bool(old == new)


def _sum(value: Any) -> float:
    if isinstance(value, Mapping):
        return fsum(map(_sum, value.values()))
    if isinstance(value, list):
        return fsum(map(_sum, value))
    return float(value) if isinstance(value, int | float) else 0.0
