"""Rows as people look at them: one by its key, whatever its format, as values that JSON knows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from storage.counters_reader import CountersReader
from storage.descriptor import Descriptor
from storage.errors import FormatRefused
from storage.ranking_reader import RankingReader
from storage.reader import Located
from storage.records_reader import RecordsReader
from storage.technology import Reads
from storage.vectors_reader import VectorsReader


async def row(reads: Reads, descriptor: Descriptor, key: str, size: int = 20) -> Any:
    """The row of a key; None if there is none.

    Args:
        size: of rankings so many members.

    Returns:
        Of rankings a list of member and score, best first; of counters and records the fields; of vectors the numbers.

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


async def _vectors(locate: Callable[[], Located], key: str, size: int) -> Any:
    found = await VectorsReader(locate).get(key)
    return None if found is None else found.tolist()


_ROWS: dict[str, Callable[[Callable[[], Located], str, int], Awaitable[Any]]] = {
    "ranking": _ranking,
    "counters": _counters,
    "records": _records,
    "vectors": _vectors,
}
