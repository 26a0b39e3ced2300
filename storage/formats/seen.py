"""Which of a unit's last events have been folded, by their ids: how a learner drops events that were sent twice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Any, Self

from schemas import Record
from storage.address import Address
from storage.errors import FormatRefused, SuspectGeneration
from storage.formats.records import Records
from storage.session import Session

PIECE = 1_024
"""Ids of one row. The newest row is written with each commit, so it is not large."""
MOST = 1_000_000
"""Events that may be told again, at most: about 150 MB of memory for each unit."""
DIGEST = 16
"""Bytes that are kept of an id, so that long ones take no more."""
READ = 64
"""Rows that are read at once."""


class SeenIds(Record):
    """A piece of the ids that a unit has seen, in the order of the log.

    Attributes:
        unit: its partition and the row's place, which is the row's key.
        number: which piece it is, from 0; the place is used again once so many others have come.
        ids: 16 bytes of BLAKE2b of each.
    """

    unit: str
    number: int
    ids: bytes


class Seen(Records[SeenIds]):
    """Of each unit the ids of its last `last` events, and of up to 1,024 more before them. No learner sees it.

    What is known follows from the log alone, not from clocks or from where batches end. Rows are used again in turn, so
    that they do not grow in number; they are read once after a claim, and those that have changed are written with the
    commit.

    Raises:
        FormatRefused: `last` makes no sense.
    """

    def __init__(self, name: str, last: int) -> None:
        super().__init__(name, SeenIds)
        if not 1 <= last <= MOST:
            raise FormatRefused(f"Of a partition's events the last 1 to {MOST:,} can be told again, not {last:,}.")
        self._last = last
        self._places = -(-last // PIECE) + 1
        self._pieces: dict[int, bytes] | None = None
        self._digests: set[bytes] = set()
        self._newest, self._ids, self._changed = 0, bytearray(), dict[int, bytes]()
        self._written = 0, 0

    @property
    def options(self) -> Mapping[str, Any]:
        """How many events are told again."""
        return {"last": self._last}

    def bind(self, session: Session) -> Self:
        """A copy that knows nothing yet, and is written before each commit."""
        bound = super().bind(session)
        bound._pieces, bound._digests, bound._ids, bound._changed = None, set(), bytearray(), {}
        session.before_taking(bound._write)
        return bound

    def first(self, ids: Iterable[Any]) -> list[bool]:
        """Whether each event is the first with its id; remembers them. One without an id is always. Blocks for a read
        where it is called first after a claim."""
        if self._pieces is None:
            self._restore()
        return [value is None or self._is_first(_digest(value)) for value in ids]

    def _is_first(self, digest: bytes) -> bool:
        if digest in self._digests:
            return False
        if len(self._ids) == PIECE * DIGEST:
            self._begin()
        self._digests.add(digest)
        self._ids += digest
        return True

    def _begin(self) -> None:
        """The next piece, in the place of the oldest, which is forgotten."""
        assert self._pieces is not None
        self._pieces[self._newest] = self._changed[self._newest] = bytes(self._ids)
        self._newest += 1
        self._ids = bytearray()
        self._digests.difference_update(_each(self._pieces.pop(self._newest - self._places, b"")))

    def _restore(self) -> None:
        self._pieces = {}
        for first in range(0, self._places, READ):
            places = range(first, min(first + READ, self._places))
            for row in self.session.load([self._address(place) for place in places]):
                if row is None:
                    continue
                piece = self._decoded("", row)
                if len(piece.ids) % DIGEST or len(piece.ids) > PIECE * DIGEST:
                    raise SuspectGeneration(f"{self.storage} of unit {piece.unit} holds no whole ids.")
                self._pieces[piece.number] = piece.ids
        self._newest = max(self._pieces, default=0)
        self._ids = bytearray(self._pieces.pop(self._newest, b""))
        self._digests = set(_each(bytes(self._ids)))
        self._digests.update(digest for piece in self._pieces.values() for digest in _each(piece))
        self._written = self._newest, len(self._ids)

    def _write(self) -> None:
        if self._pieces is None or self._written == (self._newest, len(self._ids)):
            return
        for number, ids in {**self._changed, self._newest: bytes(self._ids)}.items():
            address = self._address(number % self._places)
            self.session.writes.puts[address] = self._encoded(address.key, SeenIds(address.key, number, ids))
        self._written, self._changed = (self._newest, len(self._ids)), {}

    def _address(self, place: int) -> Address:
        return Address(self.storage, f"{self.session.partition}.{place}")


def _digest(value: Any) -> bytes:
    return blake2b(value if isinstance(value, bytes) else str(value).encode(), digest_size=DIGEST).digest()


def _each(ids: bytes) -> list[bytes]:
    return [ids[start : start + DIGEST] for start in range(0, len(ids), DIGEST)]
