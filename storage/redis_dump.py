"""All rows of a storage, page by page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import redis

from storage.address import Address
from storage.descriptor import Descriptor
from storage.redis_keys import Keys
from storage.technology import Row

_PAGE = 1_000


def dumped(client: redis.Redis, descriptor: Descriptor) -> Iterator[tuple[Address, Row]]:
    """Every row once. There is no index of rows of sums and scores, so this passes over all keys of the database."""
    keys, storage = Keys.of(descriptor), descriptor.storage
    for key, row in _once(client.hscan_iter(keys.records(storage), count=_PAGE)):
        yield Address(storage, key.decode()), row
    for key, row in _rows(client, keys.rows(storage), "hash"):
        yield keys.address(storage, key), {field.decode(): int(value) for field, value in row.items()}
    for key, row in _rows(client, keys.rows(storage), "zset"):
        yield keys.address(storage, key), {member.decode(): 0.0 - score for member, score in row.items()}


def _rows(client: redis.Redis, pattern: str, kind: str) -> Iterator[tuple[bytes, dict[bytes, Any]]]:
    found = _once((key, None) for key in client.scan_iter(pattern, _PAGE, kind))
    while page := [key for key, _ in islice(found, _PAGE)]:
        yield from _whole(client, kind, page)


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
