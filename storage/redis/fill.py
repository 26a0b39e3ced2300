"""A load's rows, and the end of rows: plain commands, as nobody else reads or writes these rows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import redis
from hiredis import pack_command

from storage.address import Address
from storage.descriptor import Descriptor
from storage.errors import SuspectGeneration, WriteRefused
from storage.redis.dump import row_keys
from storage.redis.keys import Keys
from storage.redis.pool import Pool
from storage.redis.scripts import TRIM, run
from storage.writes import Writes

_PAGE = 1_000
_Row = tuple[str, str, list[Any], int]
"""Command, key, its other arguments, how many items it must find new."""


def fill(
    client: redis.Redis,
    descriptor: Descriptor,
    writes: Writes,
    shard: int = 0,
    buckets: Mapping[str, int] | None = None,
) -> None:
    """See `Technology.fill`.

    Args:
        writes: those of one shard.
        buckets: see `newest_buckets`; None = the rows have them.
    """
    keys, storage = Keys.of(descriptor, shard), descriptor.storage
    writes.check()
    rows = list(_rows(keys, writes))
    counted = sum(items for _, key, _, items in rows if key != keys.records(storage))
    commands = [(command, key, *arguments) for command, key, arguments, _ in rows]
    commands.append(("HINCRBY", keys.storage(storage), "rows", counted))
    commands += _news(keys, descriptor, writes, newest_buckets(writes) if buckets is None else buckets)
    for found, (_, _, _, items) in zip(_replies(client, commands), rows, strict=False):
        if found != items:
            raise WriteRefused(f"{descriptor.title} has some of these rows already; a load writes each once.")


def newest_buckets(writes: Writes) -> dict[str, int]:
    """Storage -> the newest bucket that scores are added to."""
    found: dict[str, int] = {}
    for storage, bucket in {(storage, bucket) for storage, _, bucket in writes.scores if bucket is not None}:
        found[storage] = max(bucket, found.get(storage, bucket))
    return found


def erase_units(client: redis.Redis, descriptor: Descriptor, shard: int = 0) -> None:
    """Remove a generation's units, so that nobody can commit any more."""
    keys = Keys.of(descriptor, shard)
    names: Any = client.smembers(keys.units)
    units = [name.decode(errors="replace") for name in names]  # what is no text is no unit's name
    client.unlink(keys.units, *map(keys.unit, units), *map(keys.redo, units))


def erase(client: redis.Redis, descriptor: Descriptor, shards: Collection[int]) -> None:
    """Remove a version's rows; passes over all keys of the database, in pages that hold nobody up."""
    storage = descriptor.storage
    for keys in (Keys.of(descriptor, shard) for shard in shards):
        client.unlink(keys.records(storage), keys.storage(storage))
    found = row_keys(client, descriptor, shards)
    while page := list(islice(found, _PAGE)):
        by_slot: dict[str, list[bytes]] = {}
        for keys, row in page:
            by_slot.setdefault(keys.units, []).append(row)
        for rows in by_slot.values():
            client.unlink(*rows)


def trim(pool: Pool, client: redis.Redis, descriptor: Descriptor, bucket: int, shards: Collection[int]) -> None:
    """See `Technology.trim`."""
    _remove(pool, client, descriptor, shards, lambda row: row.bucket is not None and row.bucket < bucket)


def expire(pool: Pool, client: redis.Redis, descriptor: Descriptor, before: str, shards: Collection[int]) -> None:
    """See `Technology.expire`."""
    _remove(pool, client, descriptor, shards, lambda row: row.key < before)


def _remove(
    pool: Pool, client: redis.Redis, descriptor: Descriptor, shards: Collection[int], old: Callable[[Address], bool]
) -> None:
    """Remove rows of sums and scores. What is counted falls with each row, in one step."""
    storage = descriptor.storage
    for keys, key in row_keys(client, descriptor, shards):
        try:
            row = keys.address(storage, key)
        except SuspectGeneration:  # of another program, which keeps no row from going
            continue
        if old(row):
            run(pool, TRIM, (keys.row(row), keys.storage(storage)))


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


def _news(keys: Keys, descriptor: Descriptor, writes: Writes, buckets: Mapping[str, int]) -> Iterator[tuple[Any, ...]]:
    """Newest bucket and event time; chunks come one after the other and are not read meanwhile."""
    news = {"bucket": buckets.get(descriptor.storage), "at": writes.newest.get(descriptor.storage)}
    for field, value in news.items():
        if value is not None:
            yield "HSET", keys.storage(descriptor.storage), field, value


def _replies(client: redis.Redis, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
    """As a pipeline's, which spends as much on looking at arguments as it does on packing them."""
    connection: Any = client.connection_pool.get_connection()
    try:
        packed = [pack_command(command) for command in commands]
        connection.send_packed_command(b"".join(packed[n : n + _PAGE]) for n in range(0, len(packed), _PAGE))
        return [connection.read_response() for _ in commands]
    except BaseException:
        connection.disconnect()  # replies that nobody has read are nobody's
        raise
    finally:
        client.connection_pool.release(connection)
