"""Rows as Cassandra's cells: what is written of a commit, in Cassandra's own encoding, made without a server."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from math import isfinite
from typing import TypeVar
from zlib import crc32

from storage.address import Address
from storage.cassandra.tables import AT, BUCKET, NEXT, NO_BUCKET, RECORD, SCORE, TOTAL, WATERMARK
from storage.errors import WriteRefused, as_text
from storage.writes import COUNT, EXACT, Writes

LONGEST = 2**16 - 1
"""Bytes that a key, a field or a member may have."""
LARGEST = 15 << 20
"""Bytes that a commit may have: a server takes 16 MiB at once."""
_AROUND = 24
"""Bytes that a redo adds to each item, at most."""

Number = TypeVar("Number", int, float)

Totals = Mapping[Address, Mapping[str, float]]
"""What a unit's sums and scores are before a commit; 0 where there is none."""
Counts = Mapping[str, Mapping[str, int]]
"""Storage -> key -> the row's only field, `COUNT`: see `Writes.counts`. It is looked at in whole columns."""

integer = struct.Struct(">q").pack
small = struct.Struct(">i").pack
double = struct.Struct(">d").pack


Cell = tuple[bytes, bytes, bytes, bytes, int, bytes]
"""One item of a row: storage, key, bucket, item, column, value; all but the column as Cassandra encodes them. What is
said of a storage has no storage, and its name as key."""


def slot_of(key: bytes, slots: int) -> int:
    """Where a row is among its storage's slots."""
    return crc32(key) % slots


def about(storage: str) -> Address:
    """The row that holds a storage's newest bucket and event time."""
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
    """What must be known of a unit's rows before a commit, but for its counts: rows and their items."""
    yield from ((address, iter(amounts)) for address, amounts in writes.other_sums.items())
    yield from ((address, iter(weights)) for address, weights in writes.scores.items())
    for storage, found in news(writes).items():
        yield about(storage), iter(found)


def counts_after(counts: Counts, before: Counts) -> dict[str, dict[str, int]]:
    """What the commit makes of the unit's counts, all of which are known. Raises as `sums_after` does."""
    found = {}
    for storage, amounts in counts.items():
        known = before[storage]
        totals = found[storage] = {key: known[key] + amount for key, amount in amounts.items()}
        if totals and not -EXACT <= min(totals.values()) <= max(totals.values()) <= EXACT:
            for key, amount in amounts.items():
                _sums(Address(storage, key), {COUNT: amount}, {COUNT: known[key]})
    return found


def sums_after(writes: Writes, before: Totals) -> dict[Address, dict[str, int]]:
    """What the commit makes of the unit's sums, but for its counts, and of what is newest.

    Raises:
        WriteRefused: a sum passes what a double counts exactly.
    """
    found = {
        address: _sums(address, amounts, before.get(address, {})) for address, amounts in writes.other_sums.items()
    }
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


def put_cells(rows: Mapping[Address, bytes]) -> list[Cell]:
    """The cells of records. Raises WriteRefused as `checked` does."""
    starts = _starts(rows)
    with as_text():
        return [
            (storage, address.key.encode(), bucket, b"", RECORD, record)
            for address, record in rows.items()
            for storage, bucket in [starts[address.storage, address.bucket]]
        ]


def count_cells(counts: Counts) -> list[Cell]:
    """The cells of counts, in order. Raises as `put_cells` does."""
    bucket, item = integer(NO_BUCKET), COUNT.encode()
    with as_text():
        return [
            (name, key.encode(), bucket, item, TOTAL, integer(totals[key]))
            for storage, totals in counts.items()
            for name in [storage.encode()]
            for key in sorted(totals)
        ]


def sum_cells(rows: Mapping[Address, Mapping[str, int]]) -> list[Cell]:
    """The cells of sums. Raises as `put_cells` does."""
    return _cells(rows, TOTAL, integer)


def score_cells(rows: Mapping[Address, Mapping[str, float]]) -> list[Cell]:
    """The cells of scores. Raises as `put_cells` does."""
    return _cells(rows, SCORE, double)


def place_cells(new: int, watermark_ms: int | None) -> list[Cell]:
    """The cells that say how far a unit's rows can be read."""
    found = {NEXT: new} if watermark_ms is None else {NEXT: new, WATERMARK: watermark_ms}
    return _cells({about(""): found}, TOTAL, integer)


def checked(found: list[Cell]) -> list[Cell]:
    """The cells of a commit, in the order of a table, which saves the server much of its work.

    Raises:
        WriteRefused: it is more than a server takes at once, or a key, field or member is too long.
    """
    _, keys, _, items, _, values = zip(*found, strict=True) if found else [()] * 6
    for name in (max(keys, key=len, default=b""), max(items, key=len, default=b"")):
        if len(name) > LONGEST:
            raise WriteRefused(f"{name[:40]!r}... has {len(name)} bytes; Cassandra takes keys of up to {LONGEST}.")
    size = sum(map(len, chain(keys, items, values))) + _AROUND * len(found)
    if size > LARGEST:
        raise WriteRefused(
            f"A commit of {len(found)} rows and {size / (1 << 20):.1f} MiB is more than the {LARGEST >> 20} MiB that "
            "Cassandra takes in one step; fold fewer events in a batch, or make the records smaller."
        )
    return sorted(found)


def _cells(rows: Mapping[Address, Mapping[str, Number]], column: int, encoded: Callable[[Number], bytes]) -> list[Cell]:
    starts = _starts(rows)
    found: list[Cell] = []
    with as_text():
        for address, items in rows.items():
            storage, bucket = starts[address.storage, address.bucket]
            key = address.key.encode()
            found += [(storage, key, bucket, item.encode(), column, encoded(value)) for item, value in items.items()]
    return found


def _starts(rows: Iterable[Address]) -> dict[tuple[str, int | None], tuple[bytes, bytes]]:
    """Storages and buckets, encoded once."""
    found = {(storage, bucket) for storage, _, bucket in rows}
    return {
        (storage, bucket): (storage.encode(), integer(NO_BUCKET if bucket is None else bucket))
        for storage, bucket in found
    }


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
