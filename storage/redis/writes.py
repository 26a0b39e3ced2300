"""A commit's writes as its script takes them, and the checks that need no server."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from operator import itemgetter

import msgspec

from storage.address import Address
from storage.errors import as_text
from storage.redis.keys import Keys
from storage.technology import Gone
from storage.writes import COUNT, Writes

ITEMS = 1_000
"""Items in one command: Lua spreads at most some 7,900 arguments."""

Text = str | bytes | float
_STORAGE, _KEY = itemgetter(0), itemgetter(1)
"""Of an address, many times sooner than by a loop."""


class _Storage(msgspec.Struct, omit_defaults=True):
    """What a commit changes of a storage as a whole. In the script they are numbered from 1, in this order."""

    key: str
    bucket: int | None = None
    at_ms: int | None = None


class _Numbers(msgspec.Struct, omit_defaults=True):
    """The numbers of a commit. Rows are pairs: a storage's number, and how many items the row has in the texts.

    Attributes:
        counts: pairs too: a storage's number, and how many rows of it follow.
        field: the only item of each of those.
    """

    storages: list[_Storage]
    puts: list[int]
    ranks: list[int]
    sums: list[int]
    scores: list[int]
    amounts: list[float]
    counts: list[int] = []
    field: str = ""


def packed(keys: Keys, writes: Writes, buckets: Mapping[str, int] | None = None, at_once: bool = False) -> list[Text]:
    """The numbers of the writes, as MessagePack, then their texts as they are: arguments of `commit.lua`.

    Texts are row by row the row's key and its items: of a put field and record, of a rank score and member, each; of
    what is added the items alone, and its amounts, in the same order, are numbers. Counts come last: of each the row's
    key alone.

    Args:
        buckets: storage -> newest bucket, where rows of other shards may have newer ones.
        at_once: they are for a script of this release, and are not kept for others, which may not know counts.

    Raises:
        WriteRefused: a value that cannot be held.
    """
    writes.check()
    packing = _Packing(keys)
    puts, ranks = packing.puts(writes.puts), packing.ranks(writes.ranks)
    counted = writes.counts if at_once else {}
    sums = [] if counted else packing.added(writes.sums)
    scores = packing.added(writes.scores)
    counts = packing.counts(counted)
    storages = packing.changed(writes.newest, buckets or {})
    numbers = _Numbers(storages, puts, ranks, sums, scores, packing.amounts, counts, COUNT if counts else "")
    with as_text():
        return [msgspec.msgpack.encode(numbers), *packing.texts]


def packed_keys(wanted: Sequence[tuple[str, Sequence[str]]]) -> bytes:
    """The last argument of `read.lua`: fields to read of each hash.

    Raises:
        WriteRefused: a key that could never have been written.
    """
    with as_text():
        return msgspec.msgpack.encode(wanted)


def removal(keys: Keys, gone: Gone) -> bytes:
    """The last argument of `remove.lua`."""
    parts = [
        [address.key, keys.records(address.storage), keys.row(address), keys.storage(address.storage), [*(items or ())]]
        for address, items in gone.items()
        if items is None or items
    ]
    with as_text():
        return msgspec.msgpack.encode(parts)


def only_puts(writes: Writes) -> bool:
    """Whether a commit puts records, and does nothing else."""
    return bool(writes.puts) and not (writes.counts or writes.sums or writes.scores or writes.ranks or writes.newest)


def fields_by_hash(keys: Keys, rows: Mapping[Address, bytes]) -> dict[str, list[list[Text]]]:
    """Rows that were put are fields of one hash for each storage: fields and values by turns, in pieces for one command
    each."""
    found: dict[str, list[list[Text]]] = {}
    storages = dict.fromkeys(map(_STORAGE, rows))
    for storage in storages:
        own = rows if len(storages) == 1 else {row: rows[row] for row in rows if row.storage == storage}
        pairs: list[Text] = [*chain.from_iterable(zip(map(_KEY, own), own.values(), strict=True))]
        found[keys.records(storage)] = [pairs[start : start + 2 * ITEMS] for start in range(0, len(pairs), 2 * ITEMS)]
    return found


class _Packing:
    """Texts and amounts of a commit, and the storages that it touches, as they come."""

    def __init__(self, keys: Keys) -> None:
        self.texts: list[Text] = []
        self.amounts: list[float] = []
        self._keys = keys
        self._storages: dict[str, _Storage] = {}
        self._numbers: dict[str, int] = {}

    def puts(self, rows: Mapping[Address, bytes]) -> list[int]:
        """Not counted, as belonging to no storage: their hash knows how many there are."""
        found: list[int] = []
        for key, parts in fields_by_hash(self._keys, rows).items():
            for part in parts:
                found += 0, len(part) // 2
                self.texts += (key, *part)
        return found

    def ranks(self, rows: Mapping[Address, Mapping[str, float]]) -> list[int]:
        """Members with their scores, negated as they are kept."""
        found: list[int] = []
        for number, key, part in self._rows(rows):
            found += number, len(part)
            self.texts.append(key)
            for member, score in part.items():
                self.texts += 0.0 - score, member
        return found

    def added(self, rows: Mapping[Address, Mapping[str, float]]) -> list[int]:
        """Fields or members; what is added to them goes to the amounts."""
        found: list[int] = []
        for number, key, part in self._rows(rows):
            found += number, len(part)
            self.texts += (key, *part)
            self.amounts += part.values()
        return found

    def counts(self, rows: Mapping[str, Mapping[str, int]]) -> list[int]:
        """Rows of one item, which is the same for all."""
        found: list[int] = []
        for storage, counts in rows.items():
            found += self._number(storage), len(counts)
            prefix = self._keys.prefix(storage, None)
            self.texts += [prefix + key for key in counts]
            self.amounts += counts.values()
        return found

    def changed(self, newest: Mapping[str, int], buckets: Mapping[str, int]) -> list[_Storage]:
        for storage, at_ms in newest.items():
            self._number(storage)
            self._storages[storage].at_ms = at_ms
        for storage, bucket in buckets.items():
            self._number(storage)
            self._see(storage, bucket)
        return list(self._storages.values())

    def _number(self, storage: str) -> int:
        found = self._numbers.get(storage)
        if found is None:
            self._storages[storage] = _Storage(self._keys.storage(storage))
            found = self._numbers[storage] = len(self._storages)
        return found

    def _rows(self, rows: Mapping[Address, Mapping[str, float]]) -> Iterator[tuple[int, str, Mapping[str, float]]]:
        """Each row's storage, key in Redis and items, in pieces that one command can take."""
        places: dict[tuple[str, int | None], tuple[int, str]] = {}
        for (storage, key, bucket), row in rows.items():
            place = places.get((storage, bucket))
            if place is None:
                place = places[storage, bucket] = self._number(storage), self._keys.prefix(storage, bucket)
                self._see(storage, bucket)
            number, prefix = place
            for part in _parts(row):
                yield number, prefix + key, part

    def _see(self, storage: str, bucket: int | None) -> None:
        found = self._storages[storage]
        if bucket is not None and (found.bucket is None or found.bucket < bucket):
            found.bucket = bucket


def _parts(row: Mapping[str, float]) -> Iterable[Mapping[str, float]]:
    """A row in pieces that one command each can take; nothing for nothing."""
    if len(row) <= ITEMS:
        return (row,) if row else ()
    items = iter(row.items())
    return iter(lambda: dict(islice(items, ITEMS)), {})
