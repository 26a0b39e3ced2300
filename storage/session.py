"""What one unit writes and reads back between two commits."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from storage.address import Address
from storage.errors import PutRefused
from storage.writes import Writes


class Session:
    """Collects a unit's writes; its own reads see them at once. Belongs to one thread.

    Args:
        read: reads committed rows of this unit under its fence; what it raises goes through.

    Attributes:
        key_field: the event type's key; only rows under it may be put. None = its events have no key.
        partition: the unit's.
        step: grows with each event, or batch, that is learned; `examples` is how many events it is.
        writes: what is to be committed next.
    """

    def __init__(self, read: Callable[[Sequence[Address]], list[bytes | None]]) -> None:
        self._read = read
        self.key_field: str | None = None
        self.partition = 0
        self.step, self.examples = 0, 0
        self.writes = Writes()
        self._taken: Writes | None = None
        self._keys: Callable[[], Collection[str]] = tuple
        self._owned: Collection[str] | None = None
        self._last: list[Callable[[], None]] = []

    def begin(self, keys: Callable[[], Collection[str]], examples: int = 1) -> None:
        """Note what is folded now.

        Args:
            keys: gives the keys of the events; only called if a row is put.
            examples: how many events are learned at each step: all of a batch, or one by one.
        """
        self._keys, self._owned = keys, None
        self.step, self.examples = self.step + 1, examples

    def before_taking(self, write: Callable[[], None]) -> None:
        """Call this each time before writes are taken: for what is written once per commit, not per event."""
        self._last.append(write)

    def take(self) -> Writes:
        """Hand over what was collected, for a commit. Raises WriteRefused where something cannot be held."""
        for write in self._last:
            write()
        self._taken, self.writes = self.writes, Writes()
        return self._taken

    def committed(self) -> None:
        """What was taken has been committed."""
        self._taken = None

    def load(self, addresses: Sequence[Address]) -> list[bytes | None]:
        """Rows as they will be after all that was put so far. Reads those that were not put since the last commit."""
        found = {address: row for address in addresses if (row := self._collected(address)) is not None}
        missing = [address for address in dict.fromkeys(addresses) if address not in found]
        if missing:
            found.update(
                (address, row) for address, row in zip(missing, self._read(missing), strict=True) if row is not None
            )
        return [found.get(address) for address in addresses]

    def must_own(self, storage: str, column: str) -> None:
        """Check that a column's rows belong to this unit alone.

        Raises:
            PutRefused: the column is not the topic's key.
        """
        if self.key_field is None:
            raise PutRefused(
                f"{storage} is put, but the topic's events have no key, so two units could own one row; give the event "
                "type a key, or add to a ranking or to counters instead."
            )
        if column != self.key_field:
            raise PutRefused(
                f"{storage} is put under {column!r}, but the topic is split by {self.key_field!r}, so two units could "
                f"own one row; put under {self.key_field!r}, or add to a ranking or to counters instead."
            )

    def must_own_row(self, storage: str, key: str) -> None:
        """Check that a row belongs to this unit: its key is that of an event being folded.

        Raises:
            PutRefused: it is not.
        """
        if self._owned is None:
            self.must_own(storage, self.key_field or "")
            self._owned = self._keys()
        if key not in self._owned:
            raise PutRefused(
                f"{storage} is put or read under the key {key!r}, which is no {self.key_field} of the events being "
                "folded, so another unit could own that row; add to a ranking or to counters instead."
            )

    def _collected(self, address: Address) -> bytes | None:
        row = self.writes.puts.get(address)
        return self._taken.puts.get(address) if row is None and self._taken is not None else row
