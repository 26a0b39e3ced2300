"""All rows of a storage, page by page."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from typing import Any

import redis

from storage.address import Address
from storage.descriptor import Descriptor
from storage.redis.keys import Keys, every_row
from storage.technology import Row

_PAGE = 1_000


def dumped(client: redis.Redis, descriptor: Descriptor, shards: Collection[int]) -> Iterator[tuple[Address, Row]]:
    """Every row of these shards once. There is no index of rows of sums and scores, so this passes over all keys of the
    database."""
    storage = descriptor.storage
    for shard in shards:
        records = Keys.of(descriptor, shard).records(storage)
        for key, row in _once(client.hscan_iter(records, count=_PAGE)):
            yield Address(storage, key.decode()), row
    for address, row in _rows(client, descriptor, shards, "hash"):
        yield address, {field.decode(): int(value) for field, value in row.items()}
    for address, row in _rows(client, descriptor, shards, "zset"):
        yield address, {member.decode(): 0.0 - score for member, score in row.items()}


def row_keys(
    client: redis.Redis, descriptor: Descriptor, shards: Collection[int], kind: str | None = None
) -> Iterator[tuple[Keys, bytes]]:
    """The key of each row of sums or scores of these shards, some of them twice, and the shard's keys."""
    pattern, known = every_row(descriptor, descriptor.storage, shards)
    for row in client.scan_iter(pattern, _PAGE, kind):
        keys = known.get(row.partition(b"}:")[0].decode())
        if keys is not None:
            yield keys, row


def _rows(
    client: redis.Redis, descriptor: Descriptor, shards: Collection[int], kind: str
) -> Iterator[tuple[Address, dict[bytes, Any]]]:
    found = _once((row, keys) for keys, row in row_keys(client, descriptor, shards, kind))
    while page := dict(islice(found, _PAGE)):
        for row, items in _whole(client, kind, list(page)):
            yield page[row].address(descriptor.storage, row), items


def _whole(client: redis.Redis, kind: str, rows: Sequence[bytes]) -> Iterator[tuple[bytes, dict[bytes, Any]]]:
    """Whole rows, all of them a page at a time; those that have vanished meanwhile are left out."""
    found: dict[bytes, dict[bytes, Any]] = {row: {} for row in rows}
    cursors = dict.fromkeys(rows, 0)
    while cursors:
        pipeline = client.pipeline(transaction=False)
        for row, cursor in cursors.items():
            scan = pipeline.hscan if kind == "hash" else pipeline.zscan
            scan(row, cursor, count=_PAGE)
        for row, (cursor, page) in zip(list(cursors), pipeline.execute(), strict=True):
            found[row].update(page)
            cursors[row] = cursor
        cursors = {row: cursor for row, cursor in cursors.items() if cursor}
    yield from ((row, items) for row, items in found.items() if items)


def _once(pairs: Iterator[tuple[bytes, Any]]) -> Iterator[tuple[bytes, Any]]:
    """A scan may name the same thing twice."""
    seen: set[bytes] = set()
    for key, value in pairs:
        if key not in seen:
            seen.add(key)
            yield key, value
