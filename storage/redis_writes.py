"""A commit's writes as its script takes them, and the checks that need no server."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TypeVar

import msgspec

from storage.address import Address
from storage.errors import WriteRefused
from storage.redis_keys import Keys
from storage.writes import Writes

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
    writes.check()
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


def _encoded(content: object) -> bytes:
    try:
        return msgspec.msgpack.encode(content)
    except UnicodeEncodeError as error:
        raise WriteRefused(f"A key, field or member is no text that UTF-8 can write: {error.object!r}.") from error
