"""The rows of integers of one generation in memory, to which amounts are added."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from storage.address import Address, addresses
from storage.writes import COUNT, EXACT, Writes


class AddedRows:
    """Rows of counters. What is added to the field `COUNT` alone is kept by key, as it comes: a row that has nothing
    else takes no object of its own. A row is what is in both places together."""

    def __init__(self) -> None:
        self._rows: dict[Address, dict[str, int]] = {}
        self._counts: dict[str, dict[str, int]] = {}  # storage -> key -> what was added to its field `COUNT` as counts
        self._farthest: dict[str, int] = {}  # storage -> no integer of its rows is farther from 0

    def row(self, address: Address) -> dict[str, int]:
        """A copy of a row; empty where there is none."""
        row = dict(self._rows.get(address, ()))
        count = self._counts.get(address.storage, {}).get(address.key)
        if count is not None and address.bucket is None:
            row[COUNT] = row.get(COUNT, 0) + count
        return row

    def too_far(self, writes: Writes) -> tuple[Address, str, int] | None:
        """The first amount that would make a field no integer within `EXACT`; None where all can be added. Where it
        takes a look at each row, the counts are merged with the sums."""
        if not all(self._fits(storage, counts) for storage, counts in writes.counts.items()):
            writes.merge()
        for address, amounts in writes.other_sums.items():
            have = self.row(address)
            for field, amount in amounts.items():
                if not isinstance(amount, int) or not -EXACT <= have.get(field, 0) + amount <= EXACT:
                    return address, field, amount
        return None

    def add(self, writes: Writes) -> None:
        """Add what is not too far."""
        for storage, counts in writes.counts.items():
            self._moved(storage, counts)
            have = self._counts.setdefault(storage, {})
            get = have.get
            have.update({key: get(key, 0) + amount for key, amount in counts.items()} if have else counts)
        for address, amounts in writes.other_sums.items():
            self._moved(address.storage, amounts)
            row = self._rows.setdefault(address, {})
            for field, amount in amounts.items():
                row[field] = row.get(field, 0) + amount

    def remove(self, storage: str) -> None:
        """Forget all rows of a storage."""
        for address in [address for address in self._rows if address.storage == storage]:
            del self._rows[address]
        self._counts.pop(storage, None)

    def take_out(self, address: Address, fields: Collection[str] | None) -> None:
        """Forget fields of a row; None = the row."""
        row = self._rows.get(address, {})
        for field in list(row) if fields is None else fields:
            row.pop(field, None)
        if not row:
            self._rows.pop(address, None)
        if fields is None or COUNT in fields:
            self._counts.get(address.storage, {}).pop(address.key, None)

    def expire(self, storage: str, before: str) -> None:
        """Forget the rows of earlier keys."""
        for address in [row for row in self._rows if row.storage == storage and row.key < before]:
            del self._rows[address]
        counts = self._counts.get(storage, {})
        for key in [key for key in counts if key < before]:
            del counts[key]

    def rows(self, storage: str) -> Iterator[tuple[Address, dict[str, int]]]:
        """Copies of all rows of a storage."""
        found = {address for address in self._rows if address.storage == storage}
        found.update(addresses(storage, self._counts.get(storage, ())))
        return ((address, self.row(address)) for address in found)

    def _fits(self, storage: str, amounts: Mapping[str, int]) -> bool:
        """Whether no integer becomes too large, without a look at each row."""
        return self._farthest.get(storage, 0) + _most(amounts) <= EXACT

    def _moved(self, storage: str, amounts: Mapping[str, int]) -> None:
        self._farthest[storage] = self._farthest.get(storage, 0) + _most(amounts)


def _most(amounts: Mapping[str, int]) -> int:
    return max(max(amounts.values()), -min(amounts.values())) if amounts else 0
