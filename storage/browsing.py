"""Rows as people look at them: one by its key, whatever its format, as values that JSON knows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import numpy as np

from storage.address import Address
from storage.descriptor import Descriptor
from storage.errors import FormatRefused, StorageError, SuspectGeneration
from storage.formats.documents_reader import DocumentsReader
from storage.formats.ranking_reader import RankingReader
from storage.formats.records_reader import RecordsReader
from storage.formats.vectors_reader import VectorsReader
from storage.reader import Located
from storage.snapshots.snapshot import Snapshot
from storage.snapshots.value import Numbers, Value
from storage.technology import Reads

MOST = 100
"""So many numbers of one array, or of one mapping, are shown."""


async def row(reads: Reads, descriptor: Descriptor, key: str, size: int = 20) -> Any:
    """The row of a key; None if there is none.

    Args:
        size: of rankings so many members, of counters so many fields.

    Returns:
        Of rankings a list of member and score, best first; of counters some fields, in no order; of records and
        documents the fields; of vectors the numbers; of parameters the values by their path, of what is long the
        beginning.

    Raises:
        StorageError: it cannot be read.
    """
    if descriptor.format not in _ROWS:
        raise FormatRefused(f"Rows of {descriptor.format} cannot be shown.")
    with _whatever_is_there(f"The row {key[:100]!r} of {descriptor.title}"):
        return await _ROWS[descriptor.format](lambda: Located(reads, descriptor), key, size)


async def keys(reads: Reads, descriptor: Descriptor, size: int) -> list[str]:
    """Some keys that have rows; see `Reads.keys`. Raises StorageError as `row` does."""
    with _whatever_is_there(f"A key of {descriptor.title}"):
        return await reads.keys(descriptor, size)


@contextmanager
def _whatever_is_there(what: str) -> Iterator[None]:
    """Any program may have written a row, so that reading it may raise anything: say that, and whose row it is."""
    try:
        yield
    except StorageError:
        raise
    except Exception as error:
        why = f"{type(error).__name__}: {str(error)[:200]}".rstrip(".: ")
        raise SuspectGeneration(f"{what} is not as its writer leaves it ({why}).") from error


async def _ranking(locate: Callable[[], Located], key: str, size: int) -> Any:
    reads, descriptor = locate()
    if descriptor.options.get("window_ms"):  # its key says which window
        _, [found] = await reads.top(descriptor, [Address(descriptor.storage, key)], size)
    else:
        found = await RankingReader(locate).top(key, size)
    return [{"member": member, "score": score} for member, score in found] or None


async def _counters(locate: Callable[[], Located], key: str, size: int) -> Any:
    reads, descriptor = locate()
    return await reads.some_sums(descriptor, key, size) or None


async def _records(locate: Callable[[], Located], key: str, size: int) -> Any:
    return await RecordsReader[Any](locate).get(key)


async def _documents(locate: Callable[[], Located], key: str, size: int) -> Any:
    return await DocumentsReader(locate).get(key)


async def _vectors(locate: Callable[[], Located], key: str, size: int) -> Any:
    found = await VectorsReader(locate).get(key)
    return None if found is None else found.tolist()


async def _parameters(locate: Callable[[], Located], key: str, size: int) -> Any:
    reads, descriptor = locate()
    [found] = await reads.rows(descriptor, [key])
    if found is None:
        return None
    snapshot = Snapshot.of_bytes(found, f"{descriptor.title} of unit {key}")
    return {"examples": snapshot.examples, **{path: _plain(value) for path, value in snapshot.values.items()}}


def _plain(value: Value) -> Any:
    if isinstance(value, Numbers):
        beginning = {str(key): number for key, number in islice(value.by_key.items(), MOST)}
        return beginning if len(value.by_key) <= MOST else {"numbers": len(value.by_key), "beginning": beginning}
    if isinstance(value, np.ndarray):
        if value.size <= MOST:
            return value.tolist()
        return {"shape": value.shape, "type": str(value.dtype), "beginning": value.ravel()[:MOST].tolist()}
    return value


_ROWS: dict[str, Callable[[Callable[[], Located], str, int], Awaitable[Any]]] = {
    "ranking": _ranking,
    "counters": _counters,
    "records": _records,
    "documents": _documents,
    "vectors": _vectors,
    "parameters": _parameters,
}
