"""The rows of one generation of a learner in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from math import isfinite
from typing import TypeVar

from storage.address import Address
from storage.errors import WriteRefused, repeated
from storage.memory.added import AddedRows
from storage.memory.ranked_row import RankedRow
from storage.technology import Gone, Newest, Row
from storage.writes import Writes

R = TypeVar("R")


class Generation:
    """All storages of one learner's generation. Not guarded: its memory holds the lock."""

    def __init__(self) -> None:
        self.records: dict[Address, bytes] = {}
        self._added = AddedRows()
        self.ranked: dict[Address, RankedRow] = {}
        self._newest: dict[str, Newest] = {}

    def newest(self, storage: str) -> Newest:
        """The newest that a storage holds."""
        return self._newest.get(storage, Newest())

    def summed(self, address: Address) -> dict[str, int]:
        """A copy of a row of integers; empty where there is none."""
        return self._added.row(address)

    def check(self, writes: Writes) -> None:
        """Look at everything that could go wrong, before anything is written.

        Raises:
            WriteRefused: a value that cannot be held.
        """
        too_far = self._added.too_far(writes)
        if too_far is not None:
            address, field, amount = too_far
            raise _refusal(address, field, f"{amount!r} would make it no integer within 2^53")
        for address, weights in writes.scores.items():
            row = self.ranked.get(address)
            sums = weights.values() if row is None else [row.scores.get(m, 0.0) + w for m, w in weights.items()]
            _check_finite(address, weights, sums)
        for address, scores in writes.ranks.items():
            _check_finite(address, scores, scores.values())

    def apply(self, writes: Writes) -> None:
        """Write what was checked; what is kept shares nothing with `writes` that could change."""
        self.records.update(writes.puts)
        self._added.add(writes)
        for address, weights in writes.scores.items():
            self._ranked(address).add(weights)
            if address.bucket is not None:
                self._see(address.storage, bucket=address.bucket)
        for address, scores in writes.ranks.items():
            self._ranked(address).put(scores)
        for storage, at_ms in writes.newest.items():
            self._see(storage, at_ms=at_ms)

    def refuse_what_is_there(self, writes: Writes) -> None:
        """Raise WriteRefused for a row that was put before, or an item of a row that has a value."""
        for address in writes.puts:
            if address in self.records:
                raise repeated(address)
        there: list[tuple[Mapping[Address, Mapping[str, float]], Callable[[Address], Mapping[str, float]]]] = [
            (writes.sums, self.summed),
            (writes.scores, self._scores),
            (writes.ranks, self._scores),
        ]
        for rows, present in there:
            for address, items in rows.items():
                for item in items.keys() & present(address).keys():
                    raise repeated(address, item)

    def remove(self, storage: str) -> None:
        """Forget all rows of a storage."""
        for rows in (self.records, self.ranked):
            for address in [address for address in rows if address.storage == storage]:
                del rows[address]
        self._added.remove(storage)
        self._newest.pop(storage, None)

    def take_out(self, gone: Gone) -> None:
        """Forget rows, or items of them."""
        for address, items in gone.items():
            self._added.take_out(address, items)
            if items is not None and address in self.ranked:
                self.ranked[address].remove(items)
            if items is None:
                self.records.pop(address, None)
            if items is None or not self._scores(address):
                self.ranked.pop(address, None)

    def trim(self, storage: str, bucket: int) -> None:
        """Forget the rows of earlier buckets."""
        old = [row for row in self.ranked if row.storage == storage and row.bucket is not None and row.bucket < bucket]
        for address in old:
            del self.ranked[address]

    def expire(self, storage: str, before: str) -> None:
        """Forget the rows of earlier keys that were added to."""
        for address in [row for row in self.ranked if row.storage == storage and row.key < before]:
            del self.ranked[address]
        self._added.expire(storage, before)

    def rows(self, storage: str) -> Iterator[tuple[Address, Row]]:
        """Copies of all rows of a storage."""
        yield from _of(storage, self.records)
        yield from self._added.rows(storage)
        yield from ((address, dict(row.scores)) for address, row in _of(storage, self.ranked))

    def count(self, storage: str) -> int:
        """How many records, fields and members a storage has."""
        rows = (row for _, row in self.rows(storage))
        return sum(1 if isinstance(row, bytes) else len(row) for row in rows)

    def _scores(self, address: Address) -> Mapping[str, float]:
        row = self.ranked.get(address)
        return {} if row is None else row.scores

    def _ranked(self, address: Address) -> RankedRow:
        row = self.ranked.get(address)
        if row is None:
            row = self.ranked[address] = RankedRow()
        return row

    def _see(self, storage: str, bucket: int | None = None, at_ms: int | None = None) -> None:
        old = self._newest.get(storage, Newest())
        if _newer(bucket, old.bucket) or _newer(at_ms, old.at_ms):
            self._newest[storage] = Newest(
                bucket if _newer(bucket, old.bucket) else old.bucket, at_ms if _newer(at_ms, old.at_ms) else old.at_ms
            )


def _newer(one: int | None, other: int | None) -> bool:
    return one is not None and (other is None or one > other)


def _of(storage: str, rows: Mapping[Address, R]) -> Iterator[tuple[Address, R]]:
    return ((address, row) for address, row in rows.items() if address.storage == storage)


def _check_finite(address: Address, written: Mapping[str, float], results: Iterable[float]) -> None:
    for member, result in zip(written, results, strict=True):
        if not isfinite(result):
            raise _refusal(address, member, f"{written[member]!r} would make it {result!r}, which is not finite")


def _refusal(address: Address, item: str, problem: str) -> WriteRefused:
    return WriteRefused(f"{address.storage} of {address.key!r} cannot hold {item!r}: {problem}.")
