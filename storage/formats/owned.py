"""What formats of owned rows share: rows that one unit puts as a whole and reads back while folding."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any, ClassVar, Generic, Self, TypeVar

from storage.address import Address
from storage.formats.format import Format
from storage.session import Session

T = TypeVar("T")

REMEMBERED = 10_000
"""So many rows a unit keeps in memory, or as many as it has loaded at once."""


class Owned(Format, Generic[T]):
    """One value for each key, replaced as a whole. A format says how a value becomes a row, and what its copy is."""

    reads_back: ClassVar[bool] = True

    def __init__(self, name: str, technology: str | None = None) -> None:
        super().__init__(name, technology)
        self._known: OrderedDict[str, T | None] = OrderedDict()
        self._room = REMEMBERED

    def bind(self, session: Session) -> Self:
        """A copy whose writes and reads go through this session."""
        bound = super().bind(session)
        bound._known = OrderedDict()
        return bound

    def get(self, key: str) -> T | None:
        """The row as this unit has left it; None if there is none. Blocks for a read where it is not in memory.

        Raises:
            PutRefused: the key is not that of an event being folded: another unit may own the row.
        """
        self.session.must_own_row(self.storage, key)
        if key in self._known:
            self._known.move_to_end(key)
        else:
            self._fetch([key])
        value = self._known[key]
        self._forget()
        return None if value is None else self._copied(value)

    def _encoded(self, key: str, value: T) -> bytes:
        """A value as its row. Raises WriteRefused, naming the key, for what cannot be held."""
        raise NotImplementedError

    def _decoded(self, key: str, row: bytes) -> T:
        """The value of a row."""
        raise NotImplementedError

    def _copied(self, value: T) -> T:
        """A value that shares nothing with this one that could be changed in place: what a learner does to a value that
        it has read, or has put, must not seem committed."""
        raise NotImplementedError

    def _rows(self, keys: Iterable[Any]) -> list[tuple[str, T]]:
        """Of those keys that have a row, key and value, in their order; one read for all that are not in memory. The
        values are not copied. Raises PutRefused as `get` does."""
        names = list(dict.fromkeys(str(key) for key in keys))
        for name in names:
            self.session.must_own_row(self.storage, name)
        self._room = max(REMEMBERED, len(names))
        missing = [name for name in names if name not in self._known]
        if missing:
            self._fetch(missing)
        found = [(name, value) for name in names if (value := self._known[name]) is not None]
        self._forget()
        return found

    def _put(self, key: str, value: T) -> None:
        self.session.writes.puts[Address(self.storage, key)] = self._encoded(key, value)
        self._known[key] = self._copied(value)
        self._known.move_to_end(key)
        self._forget()

    def _fetch(self, keys: list[str]) -> None:
        addresses = [Address(self.storage, key) for key in keys]
        for key, row in zip(keys, self.session.load(addresses), strict=True):
            self._known[key] = None if row is None else self._decoded(key, row)
            self._known.move_to_end(key)

    def _forget(self) -> None:
        while len(self._known) > self._room:
            self._known.popitem(last=False)
