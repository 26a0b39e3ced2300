"""A commit's writes as rows of tables, and what of them cannot be held. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from math import isfinite
from typing import NamedTuple

from storage.address import Address
from storage.errors import WriteRefused, as_text
from storage.formats.document_row import searched, words
from storage.relational.database import Values
from storage.relational.tables import ADD, NO_BUCKET, PUT, RANK, Kind
from storage.writes import COUNT, EXACT, Writes


class Batch(NamedTuple):
    """Rows that one statement writes, in the order of their keys: two units that lock the same rows take them alike."""

    storage: str
    kind: Kind
    conflict: str
    rows: list[Values]


def batches(writes: Writes) -> list[Batch]:
    """All of them, in an order that does not depend on who writes.

    Raises:
        WriteRefused: a value that no technology can hold, or a key that is no text.
    """
    writes.check()
    with as_text():
        found = [
            *_grouped("puts", PUT, ((at, (_bytes(at.key), row)) for at, row in writes.puts.items())),
            *(_counted(*counts) for counts in writes.counts.items()),
            *_grouped("sums", ADD["sums"], _sums(writes.other_sums)),
            *_grouped("scores", ADD["scores"], _scores(writes.scores)),
            *_grouped("scores", RANK, _scores(writes.ranks)),
        ]
    return sorted(found)


def key_bytes(key: str) -> bytes:
    """A key, field or member as it is kept; what is no text is kept nowhere, and so not found."""
    return key.encode("utf-8", "surrogatepass")


def bucket_number(address: Address) -> int:
    """A row's bucket as it is kept."""
    return NO_BUCKET if address.bucket is None else address.bucket


def newest(writes: Writes) -> Iterator[tuple[str, int | None, int | None]]:
    """Of each storage that has one: the newest bucket and the newest event time that are written to it."""
    buckets: dict[str, int] = {}
    for storage, _, bucket in writes.scores:
        if bucket is not None:
            buckets[storage] = max(bucket, buckets.get(storage, bucket))
    for storage in sorted({*buckets, *writes.newest}):
        yield storage, buckets.get(storage), writes.newest.get(storage)


def out_of_range(writes: Writes, held: Callable[[Kind, Address], Mapping[str, float]]) -> WriteRefused | None:
    """The error that names the sum that cannot be held; None if it is no sum.

    Args:
        held: reads a row of sums or scores as it is now.
    """
    for address, amounts in writes.sums.items():
        row = held("sums", address)
        for name, amount in amounts.items():
            if not -EXACT <= row.get(name, 0) + amount <= EXACT:
                return _refused(address, name, amount, "within 2^53")
    for address, weights in writes.scores.items():
        row = held("scores", address)
        for name, weight in weights.items():
            if not isfinite(row.get(name, 0.0) + weight):
                return _refused(address, name, weight, "finite")
    return None


def document_words(key: bytes, row: bytes, fields: Sequence[str]) -> list[str]:
    """The words of a row with the index "text".

    Raises:
        WriteRefused: the row is no JSON object.
    """
    try:
        return [word for text in searched(row, fields) for word in words(text)]
    except ValueError as error:
        raise WriteRefused(f"The row {key.decode(errors='replace')!r} is no JSON object: {error}.") from error


def _counted(storage: str, counts: Mapping[str, int]) -> Batch:
    """See `Writes.counts`: rows of one field, looked at together."""
    field = _bytes(COUNT)
    return Batch(storage, "sums", ADD["sums"], [(key.encode(), field, counts[key]) for key in sorted(counts)])


def _sums(rows: Mapping[Address, Mapping[str, int]]) -> Iterator[tuple[Address, Values]]:
    for address, amounts in rows.items():
        key = _bytes(address.key)
        for name, amount in amounts.items():
            yield address, (key, _bytes(name), amount)


def _scores(rows: Mapping[Address, Mapping[str, float]]) -> Iterator[tuple[Address, Values]]:
    for address, scores in rows.items():
        key, bucket = _bytes(address.key), bucket_number(address)
        for member, score in scores.items():
            yield address, (key, bucket, _bytes(member), score + 0.0)


def _grouped(kind: Kind, conflict: str, rows: Iterable[tuple[Address, Values]]) -> Iterator[Batch]:
    by_storage: dict[str, list[Values]] = {}
    for address, values in rows:
        by_storage.setdefault(address.storage, []).append(values)
    for storage, found in by_storage.items():
        found.sort()
        yield Batch(storage, kind, conflict, found)


def _bytes(text: str) -> bytes:
    return text.encode()


def _refused(address: Address, item: str, amount: float, wanted: str) -> WriteRefused:
    return WriteRefused(
        f"{address.storage} of {address.key!r} cannot take {amount!r} for {item!r}: the sum would not be {wanted}; "
        "nothing was written."
    )
