"""The two sides of a technology: learners write through one, the models service reads through the other.

Writing is synchronous, batched and fenced; reading is asynchronous and coalesced. No method exists in both colours but
for those that say what there is and how far it is. A format is written once over these primitives and knows no
technology; what differs is said once, in `kinds.py`.

The tie order of every technology: by score descending, then by member ascending, in the order of their code points
(which is that of their UTF-8 bytes).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from storage.address import Address
from storage.alias import Alias, Name
from storage.descriptor import Descriptor
from storage.listed import Damaged, EntryKind, Listed
from storage.unit import Claim, Outcome, UnitId, UnitState
from storage.writes import Writes

Row = bytes | dict[str, int] | dict[str, float]
"""A record's bytes, a counter's fields, or a ranking's members with their scores as they are stored."""

Gone = Mapping[Address, Collection[str] | None]
"""Rows to remove, each as a whole (None), or some of its fields or members."""


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest that a storage holds; scores are decayed to `at_ms`.

    Attributes:
        bucket: newest span of event time with rows; None = nothing added yet, or the storage has no buckets.
        at_ms: newest event time behind the storage, in ms since 1970; None = none known yet.
    """

    bucket: int | None = None
    at_ms: int | None = None


class Commits(Protocol):
    """What a unit needs of where it writes."""

    def claim(self, unit: UnitId, owner: str) -> Claim:
        """Take the unit over from whoever had it; from now on everybody else is fenced.

        Args:
            owner: a random token, never used before.

        Raises:
            SuspectGeneration: a commit was left half applied; the generation must be rebuilt.
        """

    def read(self, claim: Claim, expected: int | None, rows: Sequence[Address]) -> list[bytes | None]:
        """Rows that were put, in the order asked for; None for those that do not exist.

        Raises:
            Fenced: the claim is not the newest any more.
            Gap: the unit does not stand at `expected`.
        """

    def commit(self, claim: Claim, expected: int | None, new: int, writes: Writes, watermark_ms: int | None) -> Outcome:
        """Apply the writes and move the unit from `expected` to `new`, both or neither.

        Args:
            watermark_ms: newest event time folded so far, in ms since 1970.

        Raises:
            UnknownOutcome: send the identical commit again.
            WriteRefused: a value that cannot be held (NaN, an integer past 2^53), or a position past `unit.FURTHEST`;
                nothing was written.
        """


class Technology(Commits, Protocol):
    """Where learners write: every method blocks; all may be called from several threads at once.

    Any method may raise StorageUnavailable. `read` and `commit` raise UnknownOutcome where the request may have got
    through, and SuspectGeneration where a row is not of the kind that the protocol left there.
    """

    @property
    def name(self) -> str:
        """As in a storage's title: "redis"."""

    def declare(self, descriptor: Descriptor) -> Descriptor:
        """Create the storage, and let its name point to it if the name points nowhere yet and the version is ready.

        One atomic step: of two who declare at once, both get what one of them created. `declaring.settled` says what
        becomes of a storage that exists. Makes whatever the rows need: tables, an index.

        Returns:
            The storage as it exists, with the generation of its rows.

        Raises:
            StorageConflict: it exists under this version with another meaning, or by another writer.
            FormatRefused: this technology cannot hold such rows; the message names those that can.
        """

    def storages(self) -> list[Descriptor]:
        """Every version of every storage that describes itself here, by name and version."""

    def aliases(self) -> dict[Name, Alias]:
        """What each name stands for."""

    def damaged(self) -> list[Damaged]:
        """Entries of the catalogue that cannot be read, and are neither of `storages` nor of `aliases`."""

    def discard(self, kind: EntryKind, entry: str) -> bool:
        """Remove an entry that cannot be read; False if there is none, or it can be read by now. Its rows stay, as it
        does not say where they are."""

    def point(self, descriptors: Sequence[Descriptor]) -> None:
        """Let the names of these storages point to these versions, all at one moment, where that is `alias.advanced`:
        never back, not to a version that was rolled back, and not to one that is not there by then."""

    def switch(self, descriptors: Sequence[Descriptor]) -> bool:
        """Let the names of these storages point to exactly these versions, all at one moment, older ones too.

        Returns:
            False if one of them is not there to be read at that moment; then no name has moved.
        """

    def alter(self, existing: Descriptor, wanted: Descriptor) -> bool:
        """Replace one descriptor of a version by another, for its `state`; False if it is another one by now."""

    def fill(self, descriptor: Descriptor, writes: Writes) -> None:
        """Write rows into a version that is `filling`, as fast as the technology can: nobody reads it, nobody else
        writes it, and there is no fence. Chunks come one after the other; a row, or an item of a row, comes once.

        Raises:
            WriteRefused: a value that cannot be held, or a row or an item that was written before.
            UnknownOutcome, StorageUnavailable: the load is over; its version is erased.
        """

    def erase(self, descriptor: Descriptor) -> None:
        """Remove a version that is `deleting`: the units first if no other storage of its generation is left, then its
        rows, its alias if that points to it, at last its descriptor. Done again after a crash it goes on. Does nothing
        where there is none."""

    def trim(self, descriptor: Descriptor, bucket: int) -> None:
        """Remove the rows of buckets before this one, which no reader looks at any more. A late event may write one of
        them again."""

    def expire(self, descriptor: Descriptor, before: str) -> None:
        """Remove the rows of sums and scores whose key comes before this one, in the order of code points: windows that
        are kept no longer (see `formats/window.py`). A late event may write one of them again, or be lost there."""

    def remove(self, descriptor: Descriptor, claim: Claim | None, gone: Gone) -> None:
        """Remove rows, and items of rows, of a version; the unit stays where it stands. What is not there is passed
        over. Once this has returned, nobody with an earlier claim of the unit writes any of it again.

        Args:
            claim: of a unit that writes the version, whose rows are removed (others' may be, too); None = it was
                loaded, and nobody writes it.

        Raises:
            Fenced: the claim is not the newest any more. Some of it may have been removed; claim and call again.
        """

    def leases(self) -> dict[str, int]:
        """Title -> until when, in ms since 1970, some service reads that version; see `Reads.lease`."""

    def release(self, titles: Collection[str]) -> None:
        """Forget the leases of these versions, which are there no more."""

    def units(self, descriptor: Descriptor) -> list[UnitState]:
        """How far each unit is that writes this storage."""

    def newest(self, descriptor: Descriptor) -> Newest:
        """The newest that the storage holds."""

    def dump(self, descriptor: Descriptor) -> Iterator[tuple[Address, Row]]:
        """All rows, in no order: for tests, replay frames and browsing, not for serving. Not one moment's picture."""

    def close(self) -> None:
        """Let go of connections; other calls fail afterwards."""


class Reads(Protocol):
    """Where the models service reads: all reads of one call travel together, as do those of one event-loop tick.

    Every method may raise StorageUnavailable, after a time-out at the latest. A call may be cancelled at any moment.
    """

    async def listed(self) -> Listed:
        """Every storage that describes itself here, what each name stands for, and what cannot be read of that."""

    async def lease(self, titles: Collection[str], until_ms: int) -> None:
        """Say that these versions are read until then, in ms since 1970, so that none of them is collected. It is all
        that a reader ever writes."""

    async def units(self, descriptor: Descriptor) -> list[UnitState]:
        """How far each unit is that writes this storage."""

    async def rows(self, descriptor: Descriptor, keys: Sequence[str]) -> list[bytes | None]:
        """Rows that were put."""

    async def sums(self, descriptor: Descriptor, keys: Sequence[str]) -> list[dict[str, int]]:
        """Rows of sums; empty where there is none."""

    async def some_sums(self, descriptor: Descriptor, key: str, size: int) -> dict[str, int]:
        """Of a row of sums some fields, at most `size`, in no order, for browsing: the row may have any number of them,
        and the rest is not read."""

    async def top(
        self, descriptor: Descriptor, rows: Sequence[Address], size: int
    ) -> tuple[Newest, list[list[tuple[str, float]]]]:
        """Of each row the `size` members with the highest scores as stored, best first, ties by member.

        `Newest` is read with them where the rows have buckets, and is empty otherwise.
        """

    async def scores(
        self, descriptor: Descriptor, rows: Sequence[tuple[Address, Sequence[str]]]
    ) -> tuple[Newest, list[list[float | None]]]:
        """Scores as stored of the members asked for in each row; `Newest` as with `top`."""

    async def nearest(self, descriptor: Descriptor, vector: bytes, size: int) -> list[tuple[str, float]]:
        """Of rows with the index "vector" the `size` nearest to a vector, with their similarity, best first, ties by
        key. Rows and vector are float32, little endian. Option "metric": "cosine" and "dot" give that product,
        "euclidean" gives the negated distance.

        Raises:
            FormatRefused: this technology cannot search vectors; the message names those that can.
        """

    async def search(self, descriptor: Descriptor, text: str, size: int) -> list[tuple[str, float]]:
        """Of rows with the index "text" the `size` that fit the words best, with their relevance, best first, ties by
        key. Relevance is positive and only to be compared within one answer. Text holds no operators: only words count.
        """

    async def keys(self, descriptor: Descriptor, size: int) -> list[str]:
        """Some keys that have rows, at most `size`, in no order, for browsing; possibly fewer than there are."""

    async def count(self, descriptor: Descriptor) -> int | None:
        """About how many rows (of rankings members, of counters fields) there are; None if it cannot say cheaply."""

    async def size(self, descriptor: Descriptor) -> int | None:
        """About how many bytes they take; None if it cannot say cheaply."""

    async def close(self) -> None:
        """Let go of connections; other calls fail afterwards."""
