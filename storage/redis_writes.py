"""A commit's writes as its script takes them, and the checks that need no server."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from math import isfinite
from typing import TypeVar

import msgspec

from storage.address import Address
from storage.errors import WriteRefused
from storage.redis_keys import Keys
from storage.writes import Writes

EXACT = 2**53
"""The largest integer that a script's numbers, which are doubles, tell from its neighbours."""
ITEMS = 1_000
"""Items in one command: Lua spreads at most some 7,900 arguments."""

Value = TypeVar("Value", int, float)


class _Row(msgspec.Struct, array_like=True, gc=False):
    """What one command writes. `commit.lua` reads it, and the next, by position."""

    storage: int
    key: str
    items: list[str]
    values: Sequence[float]


class _Storage(msgspec.Struct, array_like=True):
    """What a commit changes of a storage as a whole. In the script they are numbered from 1, in this order."""

    number: int
    key: str
    bucket: int | None = None
    at_ms: int | None = None


def packed(keys: Keys, writes: Writes) -> list[bytes]:
    """The last arguments of `commit.lua`: rows by what is done to them, as MessagePack, then the records.

    Raises:
        WriteRefused: a value that cannot be held.
    """
    checked(writes)
    storages = _Storages(keys)
    records: list[bytes] = []
    content = {
        "puts": list(storages.puts(writes.puts, records)),
        "sums": list(storages.rows(writes.sums)),
        "scores": list(storages.rows(writes.scores)),
        "ranks": list(storages.rows(writes.ranks)),
        "storages": storages.changes(writes.newest),
    }
    return [_encoded(content), *records]


def packed_keys(wanted: Sequence[tuple[str, Sequence[str]]]) -> bytes:
    """The last argument of `read.lua`: fields to read of each hash.

    Raises:
        WriteRefused: a key that could never have been written.
    """
    return _encoded(wanted)


class _Storages:
    """The storages that a commit touches, as they come."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._found: dict[str, _Storage] = {}

    def puts(self, rows: Mapping[Address, bytes], records: list[bytes]) -> Iterator[_Row]:
        """MessagePack's bytes are newer than Redis's: records travel beside it, and their numbers in it."""
        by_storage: dict[str, dict[str, int]] = {}
        for number, (address, record) in enumerate(rows.items()):
            by_storage.setdefault(address.storage, {})[address.key] = number
            records.append(record)
        for storage, numbers in by_storage.items():
            number, key = self._of(storage).number, self._keys.records(storage)
            for part in _parts(numbers):
                yield _Row(number, key, list(part), list(part.values()))

    def rows(self, rows: Mapping[Address, Mapping[str, float]]) -> Iterator[_Row]:
        for address, values in rows.items():
            storage = self._of(address.storage)
            if address.bucket is not None:
                storage.bucket = address.bucket if storage.bucket is None else max(storage.bucket, address.bucket)
            key = self._keys.row(address)
            for part in _parts(values):
                yield _Row(storage.number, key, list(part), list(part.values()))

    def changes(self, newest: Mapping[str, int]) -> list[_Storage]:
        for storage, at_ms in newest.items():
            self._of(storage).at_ms = at_ms
        return list(self._found.values())

    def _of(self, storage: str) -> _Storage:
        found = self._found.get(storage)
        if found is None:
            found = self._found[storage] = _Storage(len(self._found) + 1, self._keys.storage(storage))
        return found


def _parts(row: Mapping[str, Value]) -> Iterable[Mapping[str, Value]]:
    """A row in pieces that one command each can take; nothing for nothing."""
    if len(row) <= ITEMS:
        return (row,) if row else ()
    items = iter(row.items())
    return iter(lambda: dict(islice(items, ITEMS)), {})


def checked(writes: Writes) -> None:
    """Raise WriteRefused for a value that cannot be held, whatever the storage holds."""
    for address, amounts in writes.sums.items():
        for field, amount in amounts.items():
            if not isinstance(amount, int) or not -EXACT <= amount <= EXACT:
                raise _refused(address, field, amount, "an integer within 2^53")
    for address, scores in chain(writes.scores.items(), writes.ranks.items()):
        for member, score in scores.items():
            if not isfinite(score):
                raise _refused(address, member, score, "finite")


def _refused(address: Address, item: str, value: float, wanted: str) -> WriteRefused:
    return WriteRefused(
        f"{address.storage} of {address.key!r} cannot take {value!r} for {item!r}: it must be {wanted}."
    )


def _encoded(content: object) -> bytes:
    try:
        return msgspec.msgpack.encode(content)
    except UnicodeEncodeError as error:
        raise WriteRefused(f"A key, field or member is no text that UTF-8 can write: {error.object!r}.") from error
