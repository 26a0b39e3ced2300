"""What is known of a unit by whoever has claimed it, so that a commit has nothing to read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from threading import Lock

from storage.address import Address
from storage.cassandra.cells import needed
from storage.cassandra.fences import Position
from storage.unit import Claim
from storage.writes import Writes

MOST = 200_000
"""Items that are remembered; then all is forgotten, and read again as it is needed."""


class Held:
    """Belongs to one claim, and to whoever holds its lock. Whatever goes wrong with a commit: `forget`.

    Attributes:
        position: where the unit stands, all of it served; None = it is to be found out.
        known: rows of sums and scores that were read or written, with the items that were.
    """

    def __init__(self, claim: Claim | None = None) -> None:
        self.lock = Lock()
        self.position: Position | None = None
        self.known: dict[Address, dict[str, float]] = {}
        self._owner = (claim.epoch, claim.owner) if claim else None
        self._items = 0

    def is_of(self, claim: Claim) -> bool:
        """Whether these are this claim's."""
        return self._owner == (claim.epoch, claim.owner)

    def missing(self, writes: Writes) -> list[tuple[Address, str]]:
        """The items that must be read before a commit."""
        found: list[tuple[Address, str]] = []
        for address, items in needed(writes):
            known = self.known.get(address, {})
            found += [(address, item) for item in items if item not in known]
        return found

    def learn(self, asked: Iterable[tuple[Address, str]], found: Mapping[tuple[Address, str], float]) -> None:
        """Take what was read; what was not found is 0, but for what is newest, which is nothing."""
        for address, item in asked:
            if (address, item) in found or address.storage:
                self.known.setdefault(address, {})[item] = found.get((address, item), 0)
                self._items += 1

    def keep(self, *written: Mapping[Address, Mapping[str, float]]) -> None:
        """Take what a commit has made of them."""
        for rows in written:
            for address, items in rows.items():
                self.known.setdefault(address, {}).update(items)
                self._items += len(items)
        if self._items > MOST:
            self._forget_rows()

    def forget(self) -> None:
        """Know nothing."""
        self.position = None
        self._forget_rows()

    def _forget_rows(self) -> None:
        self.known.clear()
        self._items = 0
