"""Rows as people look at them: one by its key, whatever its format, as values that JSON knows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np

from storage.counters_reader import CountersReader
from storage.descriptor import Descriptor
from storage.documents_reader import DocumentsReader
from storage.errors import FormatRefused
from storage.ranking_reader import RankingReader
from storage.reader import Located
from storage.records_reader import RecordsReader
from storage.snapshot import Snapshot
from storage.snapshot_value import Numbers, Value
from storage.technology import Reads
from storage.vectors_reader import VectorsReader

MOST = 100
"""So many numbers of one array are shown."""


async def row(reads: Reads, descriptor: Descriptor, key: str, size: int = 20) -> Any:
    """The row of a key; None if there is none.

    Args:
        size: of rankings so many members.

    Returns:
        Of rankings a list of member and score, best first; of counters, records and documents the fields; of vectors
        the numbers; of parameters the values by their path, of long arrays the beginning.

    Raises:
        StorageError: it cannot be read.
    """
    if descriptor.format not in _ROWS:
        raise FormatRefused(f"Rows of {descriptor.format} cannot be shown.")
    return await _ROWS[descriptor.format](lambda: Located(reads, descriptor), key, size)


async def _ranking(locate: Callable[[], Located], key: str, size: int) -> Any:
    found = await RankingReader(locate).top(key, size)
    return [{"member": member, "score": score} for member, score in found] or None


async def _counters(locate: Callable[[], Located], key: str, size: int) -> Any:
    return await CountersReader(locate).get(key) or None


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
        return {str(key): number for key, number in value.by_key.items()}
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
