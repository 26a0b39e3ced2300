"""What a fold wants written, before it is committed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sized
from itertools import chain, islice
from math import isfinite
from typing import TypeVar

from storage.address import Address, addresses
from storage.errors import WriteRefused

T = TypeVar("T")
BYTES_AROUND = 200
"""What Python's objects around one value take, about."""
SAMPLE = 100
"""So many rows say how long the texts of all of them are."""
EXACT = 2**53
"""The largest integer that every technology tells from its neighbours."""


COUNT = "count"
"""The field of counters that have only one."""


class Writes:
    """Rows to write in one commit. It holds about as many as `Kind.rows` says, which is its caller's duty.

    Attributes:
        puts: rows replaced.
        scores: weights added to a row's members.
        ranks: scores of a row's members replaced. A member is never in `scores` and `ranks` of the same commit.
        newest: storage -> newest event time written to it, in ms since 1970; for decayed rankings.
    """

    __slots__ = "_counts", "_sums", "newest", "puts", "ranks", "scores"

    def __init__(
        self,
        puts: dict[Address, bytes] | None = None,
        sums: dict[Address, dict[str, int]] | None = None,
        scores: dict[Address, dict[str, float]] | None = None,
        ranks: dict[Address, dict[str, float]] | None = None,
        newest: dict[str, int] | None = None,
    ) -> None:
        self.puts = {} if puts is None else puts
        self.scores = {} if scores is None else scores
        self.ranks = {} if ranks is None else ranks
        self.newest = {} if newest is None else newest
        self._sums = {} if sums is None else sums
        self._counts: dict[str, Counter[str]] = {}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Writes) and self._parts == other._parts

    def __repr__(self) -> str:
        return "Writes({!r}, {!r}, {!r}, {!r}, {!r})".format(*self._parts)

    __hash__ = None  # type: ignore[assignment]

    @property
    def sums(self) -> dict[Address, dict[str, int]]:
        """Integers added to a row's fields, whichever way they came: see `merge`."""
        self.merge()
        return self._sums

    @property
    def counts(self) -> Mapping[str, Mapping[str, int]]:
        """Storage -> key -> what is added to the row's only field, `COUNT`, where nothing else is added; then `sums`,
        which takes an object for each row, need not be asked for. Once they are merged, there are none here."""
        if self._sums:
            self.merge()
        return self._counts

    @property
    def other_sums(self) -> Mapping[Address, Mapping[str, int]]:
        """The `sums` that are not among the `counts`: none of them, or all."""
        if self._sums:
            self.merge()
        return self._sums

    def count(self, storage: str, keys: Iterable[str], amounts: Iterable[int] | None = None) -> None:
        """Add integers, or one each, to the field `COUNT` of rows; a key may come more than once."""
        found = self._counts.get(storage)
        if found is None:
            found = self._counts[storage] = Counter()
        if amounts is None:
            found.update(keys)
            return
        for key, amount in zip(keys, amounts, strict=True):
            found[key] = found.get(key, 0) + amount

    def merge(self) -> None:
        """Make the counts sums like others, which are looked at row by row; `counts` is empty then."""
        for storage, counts in self._counts.items():
            for address, amount in zip(addresses(storage, counts), counts.values(), strict=False):
                row = self._sums.setdefault(address, {})
                row[COUNT] = row.get(COUNT, 0) + amount
        self._counts.clear()

    @property
    def rows(self) -> int:
        """How much it is, as a record put counts: a counter's row is one and each of its fields one, but for a row that
        is only counted, which is one; a ranking's row is one and each of its members two.

        That is about how long a store is held up: records go into few commands, each other row needs its own, and a
        member moves among the others. What is only counted is not looked at before.
        """
        ranked = len(self.scores) + len(self.ranks) + 2 * (_items(self.scores) + _items(self.ranks))
        counted = _items(self.counts)
        return len(self.puts) + counted + len(self._sums) + _items(self._sums) + ranked

    @property
    def items(self) -> int:
        """How many values it has: rows put, fields of counters, and members of rankings."""
        counted = _items(self.counts) + _items(self._sums)
        return len(self.puts) + counted + _items(self.scores) + _items(self.ranks)

    @property
    def size(self) -> int:
        """About how many bytes of memory it takes: keys, texts and values, and what is around them."""
        added = len(COUNT) * _items(self.counts) + _texts(self._sums) + _texts(self.scores) + _texts(self.ranks)
        keys = sum(_keys(rows) for rows in (self.puts, self._sums, self.scores, self.ranks))
        counted = sum(_step(counts) * sum(map(len, _some(counts))) for counts in self.counts.values())
        return sum(map(len, self.puts.values())) + added + keys + counted + BYTES_AROUND * self.items

    def see(self, storage: str, at_ms: int) -> None:
        """Note that something of this event time is written to a storage."""
        if at_ms > self.newest.get(storage, at_ms - 1):
            self.newest[storage] = at_ms

    def clear(self) -> None:
        """Forget all of it."""
        for rows in (self.puts, self._sums, self._counts, self.scores, self.ranks, self.newest):
            rows.clear()

    def check(self) -> None:
        """Raise WriteRefused for a value that cannot be held, whatever the storage holds."""
        for counts in self.counts.values():
            if counts and not -EXACT <= min(counts.values()) <= max(counts.values()) <= EXACT:
                self.merge()
                break
        for address, amounts in self._sums.items():
            for item, amount in amounts.items():
                if not isinstance(amount, int) or not -EXACT <= amount <= EXACT:
                    raise _refused(address, item, amount, "an integer within 2^53")
        for address, scores in chain(self.scores.items(), self.ranks.items()):
            for member, score in scores.items():
                if not isfinite(score):
                    raise _refused(address, member, score, "finite")

    @property
    def _parts(self) -> tuple[object, ...]:
        return self.puts, self.sums, self.scores, self.ranks, self.newest


def _refused(address: Address, item: str, value: float, wanted: str) -> WriteRefused:
    return WriteRefused(
        f"{address.storage} of {address.key!r} cannot take {value!r} for {item!r}: it must be {wanted}."
    )


def _texts(rows: Mapping[Address, Mapping[str, float]]) -> int:
    return _step(rows) * sum(map(len, chain.from_iterable(_some(rows.values()))))


def _keys(rows: Collection[Address]) -> int:
    return _step(rows) * sum(len(address.key) for address in _some(rows))


def _some(found: Collection[T]) -> Iterator[T]:
    return islice(found, 0, None, _step(found))


def _step(found: Sized) -> int:
    return 1 + len(found) // SAMPLE


def _items(rows: Mapping[Address, Sized] | Mapping[str, Sized]) -> int:
    return sum(map(len, rows.values()))
