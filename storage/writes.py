"""What a fold wants written, before it is committed."""

from __future__ import annotations

from collections.abc import Mapping, Sized
from dataclasses import dataclass, field
from itertools import chain, islice
from math import isfinite

from storage.address import Address
from storage.errors import WriteRefused

BYTES_AROUND = 200
"""What Python's objects around one value take, about."""
SAMPLE = 100
"""So many rows of counters, or of rankings, say how long the texts of all of them are."""
EXACT = 2**53
"""The largest integer that every technology tells from its neighbours."""


@dataclass(slots=True)
class Writes:
    """Rows to write in one commit. A commit holds about 2,000 of them, as `rows` counts, which is its caller's duty.

    Attributes:
        puts: rows replaced.
        sums: integers added to a row's fields.
        scores: weights added to a row's members.
        ranks: scores of a row's members replaced. A member is never in `scores` and `ranks` of the same commit.
        newest: storage -> newest event time written to it, in ms since 1970; for decayed rankings.
    """

    puts: dict[Address, bytes] = field(default_factory=dict)
    sums: dict[Address, dict[str, int]] = field(default_factory=dict)
    scores: dict[Address, dict[str, float]] = field(default_factory=dict)
    ranks: dict[Address, dict[str, float]] = field(default_factory=dict)
    newest: dict[str, int] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """How much it is, as a record put counts: a counter's row is one and each of its fields one, a ranking's row is
        one and each of its members two.

        That is how long a store is held up: records go into few commands, each other row needs its own, and a member
        moves among the others.
        """
        ranked = len(self.scores) + len(self.ranks) + 2 * (_items(self.scores) + _items(self.ranks))
        return len(self.puts) + len(self.sums) + _items(self.sums) + ranked

    @property
    def items(self) -> int:
        """How many values it has: rows put, fields of counters, and members of rankings."""
        return len(self.puts) + _items(self.sums) + _items(self.scores) + _items(self.ranks)

    @property
    def size(self) -> int:
        """About how many bytes of memory it takes."""
        added = _texts(self.sums) + _texts(self.scores) + _texts(self.ranks)
        return sum(map(len, self.puts.values())) + added + BYTES_AROUND * self.items

    def see(self, storage: str, at_ms: int) -> None:
        """Note that something of this event time is written to a storage."""
        if at_ms > self.newest.get(storage, at_ms - 1):
            self.newest[storage] = at_ms

    def clear(self) -> None:
        """Forget all of it."""
        for rows in (self.puts, self.sums, self.scores, self.ranks, self.newest):
            rows.clear()

    def check(self) -> None:
        """Raise WriteRefused for a value that cannot be held, whatever the storage holds."""
        for address, amounts in self.sums.items():
            for item, amount in amounts.items():
                if not isinstance(amount, int) or not -EXACT <= amount <= EXACT:
                    raise _refused(address, item, amount, "an integer within 2^53")
        for address, scores in chain(self.scores.items(), self.ranks.items()):
            for member, score in scores.items():
                if not isfinite(score):
                    raise _refused(address, member, score, "finite")


def _refused(address: Address, item: str, value: float, wanted: str) -> WriteRefused:
    return WriteRefused(
        f"{address.storage} of {address.key!r} cannot take {value!r} for {item!r}: it must be {wanted}."
    )


def _texts(rows: Mapping[Address, Mapping[str, float]]) -> int:
    step = 1 + len(rows) // SAMPLE
    return step * sum(map(len, chain.from_iterable(islice(rows.values(), 0, None, step))))


def _items(rows: Mapping[Address, Sized]) -> int:
    return sum(map(len, rows.values()))
