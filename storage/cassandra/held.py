"""What is known of a unit by whoever has claimed it, so that a commit has nothing to read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from threading import Lock

from storage.address import Address
from storage.cassandra.cells import Counts, needed
from storage.cassandra.fences import Position
from storage.unit import Claim
from storage.writes import COUNT, Writes

MOST = 200_000
"""Items that are remembered; then all is forgotten, and read again as it is needed."""


class Held:
    """Belongs to one claim, and to whoever holds its lock. Whatever goes wrong with a commit: `forget`.

    Attributes:
        position: where the unit stands, all of it served; None = it is to be found out.
        known: rows of sums and scores that were read or written, with the items that were.
        counts: the same of storages that are only counted: storage -> key -> count. There are none any more once
            another sum has come, of whatever storage; they are among the others then.
    """

    def __init__(self, claim: Claim | None = None) -> None:
        self.lock = Lock()
        self.position: Position | None = None
        self.known: dict[Address, dict[str, float]] = {}
        self.counts: dict[str, dict[str, int]] = {}
        self._counts_only = True
        self._owner = (claim.epoch, claim.owner) if claim else None
        self._items = 0

    def is_of(self, claim: Claim) -> bool:
        """Whether these are this claim's."""
        return self._owner == (claim.epoch, claim.owner)

    def missing(self, writes: Writes) -> list[tuple[Address, str]]:
        """The items that must be read before a commit."""
        if writes.other_sums:
            self._merge()
        if not self._counts_only:
            writes.merge()
        found: list[tuple[Address, str]] = []
        for storage, counts in writes.counts.items():
            here = self.counts.setdefault(storage, {})
            found += [(Address(storage, key), COUNT) for key in counts.keys() - here.keys()]
        for address, items in needed(writes):
            known = self.known.get(address, {})
            found += [(address, item) for item in items if item not in known]
        return found

    def learn(self, asked: Iterable[tuple[Address, str]], found: Mapping[tuple[Address, str], float]) -> None:
        """Take what was read; what was not found is 0, but for what is newest, which is nothing."""
        for address, item in asked:
            if address.storage in self.counts:
                self.counts[address.storage][address.key] = int(found.get((address, item), 0))
            elif (address, item) in found or address.storage:
                row = self.known.setdefault(address, {})
                self._items += item not in row
                row[item] = found.get((address, item), 0)

    def keep(self, counts: Counts, *written: Mapping[Address, Mapping[str, float]]) -> None:
        """Take what a commit has made of them."""
        for storage, totals in counts.items():
            self.counts[storage].update(totals)
        for rows in written:
            for address, items in rows.items():
                row = self.known.setdefault(address, {})
                self._items -= len(row)
                row.update(items)
                self._items += len(row)
        if self._items + sum(map(len, self.counts.values())) > MOST:
            self._forget_rows()

    def forget(self) -> None:
        """Know nothing."""
        self.position = None
        self._forget_rows()

    def _merge(self) -> None:
        """Have counts among the other sums."""
        self._counts_only = False
        for storage, counts in self.counts.items():
            self.known |= {Address(storage, key): {COUNT: count} for key, count in counts.items()}
            self._items += len(counts)
        self.counts.clear()

    def _forget_rows(self) -> None:
        self.known.clear()
        self.counts.clear()
        self._items = 0
