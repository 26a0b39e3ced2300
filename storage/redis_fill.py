"""A load's rows, and the end of rows: plain commands, as nobody else reads or writes these rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, cast

import redis

from storage.descriptor import Descriptor
from storage.errors import WriteRefused
from storage.redis_keys import Keys
from storage.writes import Writes

_PAGE = 1_000
_Row = tuple[str, str, list[Any], int]
"""Command, key, its other arguments, how many items it must find new."""


def fill(client: redis.Redis, descriptor: Descriptor, writes: Writes) -> None:
    """See `Technology.fill`."""
    keys, storage = Keys.of(descriptor), descriptor.storage
    writes.check()
    rows = list(_rows(keys, writes))
    pipeline = client.pipeline(transaction=False)
    for command, key, arguments, _ in rows:
        cast(Any, pipeline).execute_command(command, key, *arguments)
    pipeline.hincrby(keys.storage(storage), "rows", sum(items for *_, items in rows))
    _note(pipeline, keys, descriptor, writes)
    for found, (_, _, _, items) in zip(pipeline.execute(), rows, strict=False):
        if found != items:
            raise WriteRefused(f"{descriptor.title} has some of these rows already; a load writes each once.")


def erase(client: redis.Redis, descriptor: Descriptor, last: bool) -> None:
    """Remove a version's rows; passes over all keys of the database, in pages that hold nobody up.

    Args:
        last: no other storage of its generation is left, so its units go first: nobody can commit any more.
    """
    keys, storage = Keys.of(descriptor), descriptor.storage
    if last:
        names: Any = client.smembers(keys.units)
        client.unlink(keys.units, *(keys.unit(name.decode()) for name in names))
    client.unlink(keys.records(storage), keys.storage(storage))
    found = client.scan_iter(keys.rows(storage), _PAGE)
    while page := list(islice(found, _PAGE)):
        client.unlink(*page)


def trim(client: redis.Redis, descriptor: Descriptor, bucket: int) -> None:
    """See `Technology.trim`. What is counted falls with the rows."""
    keys, storage = Keys.of(descriptor), descriptor.storage
    for key in client.scan_iter(keys.rows(storage), _PAGE):
        row = keys.address(storage, key)
        if row.bucket is not None and row.bucket < bucket:
            members = client.zcard(key)
            if client.unlink(key):
                client.hincrby(keys.storage(storage), "rows", -members)


def _rows(keys: Keys, writes: Writes) -> Iterator[_Row]:
    records: dict[str, list[Any]] = {}
    for address, row in writes.puts.items():
        records.setdefault(keys.records(address.storage), []).extend((address.key, row))
    for key, arguments in records.items():
        for part in _parts(arguments):
            yield "HSET", key, part, len(part) // 2
    for address, sums in writes.sums.items():
        for part in _parts([text for pair in sums.items() for text in pair]):
            yield "HSET", keys.row(address), part, len(part) // 2
    for rows in (writes.scores, writes.ranks):
        for address, scores in rows.items():
            for part in _parts([part for member, score in scores.items() for part in (0.0 - score, member)]):
                yield "ZADD", keys.row(address), part, len(part) // 2


def _parts(arguments: list[Any]) -> Iterator[list[Any]]:
    return (arguments[start : start + 2 * _PAGE] for start in range(0, len(arguments), 2 * _PAGE))


def _note(pipeline: Any, keys: Keys, descriptor: Descriptor, writes: Writes) -> None:
    """Newest bucket and event time; chunks come one after the other and are not read meanwhile."""
    buckets: Iterable[int] = [address.bucket for address in writes.scores if address.bucket is not None]
    news = {"bucket": max(buckets, default=None), "at": writes.newest.get(descriptor.storage)}
    for field, value in news.items():
        if value is not None:
            pipeline.hset(keys.storage(descriptor.storage), field, value)
