"""Rows as Cassandra's cells: what is written of a commit, in Cassandra's own encoding, made without a server."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from math import isfinite
from typing import NamedTuple
from zlib import crc32

from storage.address import Address
from storage.cassandra_tables import AT, BUCKET, NO_BUCKET, RECORD, SCORE, TOTAL
from storage.errors import WriteRefused
from storage.writes import EXACT, Writes

LONGEST = 2**16 - 1
"""Bytes that a key, a field or a member may have."""
LARGEST = 15 << 20
"""Bytes that a commit may have: a server takes 16 MiB at once."""

Totals = Mapping[Address, Mapping[str, float]]
"""What a unit's sums and scores are before a commit; 0 where there is none."""

integer = struct.Struct(">q").pack
small = struct.Struct(">i").pack
double = struct.Struct(">d").pack


class Cell(NamedTuple):
    """One item of a row. All but `column` are in Cassandra's encoding."""

    storage: bytes
    bucket: bytes
    key: bytes
    item: bytes
    column: int
    value: bytes


class Encoder:
    """Encodes texts and buckets, each once."""

    def __init__(self) -> None:
        self._texts: dict[str, bytes] = {}
        self._buckets: dict[int | None, bytes] = {None: integer(NO_BUCKET)}

    def address(self, address: Address) -> tuple[bytes, bytes, bytes]:
        """A row's storage, bucket and key."""
        bucket = self._buckets.get(address.bucket)
        if bucket is None:
            bucket = self._buckets[address.bucket] = integer(address.bucket)
        return self._storage(address.storage), bucket, text(address.key)

    def _storage(self, storage: str) -> bytes:
        found = self._texts.get(storage)
        if found is None:
            found = self._texts[storage] = text(storage)
        return found


def text(value: str) -> bytes:
    """A key, field or member.

    Raises:
        WriteRefused: it is too long, or no text.
    """
    try:
        found = value.encode()
    except UnicodeEncodeError as error:
        raise WriteRefused(f"A key, field or member is no text that UTF-8 can write: {error.object!r}.") from error
    if len(found) > LONGEST:
        raise WriteRefused(f"{value[:40]!r}... has {len(found)} bytes; Cassandra takes keys of up to {LONGEST}.")
    return found


def slot_of(key: bytes, slots: int) -> int:
    """Where a row is among its storage's slots."""
    return crc32(key) % slots


def about(storage: str) -> Address:
    """The row of a unit's state that holds the newest bucket and event time of a storage."""
    return Address("", storage)


def news(writes: Writes) -> dict[str, dict[str, int]]:
    """Of each storage the newest bucket and event time that is written."""
    found: dict[str, dict[str, int]] = {}
    for address in writes.scores:
        if address.bucket is not None:
            item = found.setdefault(address.storage, {})
            item[BUCKET] = max(item.get(BUCKET, address.bucket), address.bucket)
    for storage, at_ms in writes.newest.items():
        found.setdefault(storage, {})[AT] = at_ms
    return found


def needed(writes: Writes) -> Iterator[tuple[Address, Iterator[str]]]:
    """What must be known of a unit's state before a commit: rows and their items."""
    yield from ((address, iter(amounts)) for address, amounts in writes.sums.items())
    yield from ((address, iter(weights)) for address, weights in writes.scores.items())
    for storage, found in news(writes).items():
        yield about(storage), iter(found)


def sums_after(writes: Writes, before: Totals) -> dict[Address, dict[str, int]]:
    """What the commit makes of the unit's sums, and of what is newest.

    Raises:
        WriteRefused: a sum passes what a double counts exactly.
    """
    found = {address: _sums(address, amounts, before.get(address, {})) for address, amounts in writes.sums.items()}
    for storage, items in news(writes).items():
        old = before.get(about(storage), {})
        newer = {item: value for item, value in items.items() if item not in old or value > old[item]}
        if newer:
            found[about(storage)] = newer
    return found


def scores_after(writes: Writes, before: Totals) -> dict[Address, dict[str, float]]:
    """What the commit makes of the unit's scores: of those that are added to, and of those that are replaced.

    Raises:
        WriteRefused: a score is not finite any more.
    """
    found = {address: _scores(address, weights, before.get(address, {})) for address, weights in writes.scores.items()}
    for address, scores in writes.ranks.items():
        row = {member: score + 0.0 for member, score in scores.items()}  # a zero is never negative
        found[address] = {**found[address], **row} if address in found else row
    return found


def cells(
    puts: Mapping[Address, bytes],
    sums: Mapping[Address, Mapping[str, int]],
    scores: Mapping[Address, Mapping[str, float]],
) -> list[Cell]:
    """All cells, those of a row together.

    Raises:
        WriteRefused: a key, field or member cannot be written, or it is too much for one commit.
    """
    of = Encoder().address
    found = [Cell(*of(address), b"", RECORD, record) for address, record in puts.items()]
    for address, totals in sums.items():
        storage, bucket, key = of(address)
        found += [Cell(storage, bucket, key, text(item), TOTAL, integer(total)) for item, total in totals.items()]
    for address, row in scores.items():
        storage, bucket, key = of(address)
        found += [Cell(storage, bucket, key, text(item), SCORE, double(score)) for item, score in row.items()]
    size = sum(len(key) + len(item) + len(value) for _, _, key, item, _, value in found)
    if size > LARGEST:
        raise WriteRefused(
            f"A commit of {len(found)} rows has {size >> 20} MiB and Cassandra takes {LARGEST >> 20} at once; fold "
            "fewer events in a batch, or make the records smaller."
        )
    return found


def _sums(address: Address, amounts: Mapping[str, int], before: Mapping[str, float]) -> dict[str, int]:
    found = {field: int(before.get(field, 0)) + amount for field, amount in amounts.items()}
    for field, total in found.items():
        if not -EXACT <= total <= EXACT:
            raise _refused(address, field, f"{amounts[field]} would make it {total}, which is no integer within 2^53")
    return found


def _scores(address: Address, weights: Mapping[str, float], before: Mapping[str, float]) -> dict[str, float]:
    found = {member: before.get(member, 0.0) + weight + 0.0 for member, weight in weights.items()}
    for member, score in found.items():
        if not isfinite(score):
            raise _refused(address, member, f"{weights[member]} would make it {score}, which is not finite")
    return found


def _refused(address: Address, item: str, problem: str) -> WriteRefused:
    return WriteRefused(f"{address.storage} of {address.key!r} cannot hold {item!r}: {problem}; nothing was written.")
