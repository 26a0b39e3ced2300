"""Vectors, read, and searched for the nearest where the technology can."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy.typing as npt

from storage.descriptor import Descriptor
from storage.errors import QuestionRefused
from storage.formats.vector_row import Vector, row_of, vector_of
from storage.reader import Located, Reader


class VectorsReader(Reader):
    """Reads `Vectors`."""

    format = "vectors"

    async def get(self, key: str, *, fresh: bool = False) -> Vector | None:
        """A key's vector, as an array of float32 of one's own; None if there is none."""
        return (await self.get_many([key], fresh=fresh))[0]

    async def get_many(self, keys: Sequence[str], *, fresh: bool = False) -> list[Vector | None]:
        """The same for many keys at once, in their order."""
        reads, descriptor = self._located(fresh)
        dimensions, rows = int(descriptor.options["dimensions"]), await reads.rows(descriptor, keys)
        return [
            None if row is None else vector_of(row, dimensions, f"{descriptor.title} of {key!r}")
            for key, row in zip(keys, rows, strict=True)
        ]

    async def nearest(self, vector: npt.ArrayLike, size: int, but: Collection[str] = ()) -> list[tuple[str, float]]:
        """The `size` keys whose vectors are most similar to this one, best first, with their similarity.

        Args:
            but: keys that are left out.

        Returns:
            Of the metrics "cosine" and "dot" that product, of "euclidean" the negated distance; ties by key.

        Raises:
            FormatRefused: this technology cannot search vectors; the message names those that can.
            QuestionRefused: the vector is none of these dimensions, or has no direction where that is what counts.
        """
        located = self._locate()
        return await _nearest(located, _row(located.descriptor, vector), size, but)

    async def nearest_to(self, key: str, size: int, but: Collection[str] = ()) -> list[tuple[str, float]]:
        """The same for a key's own vector, the key itself left out; empty if it has none."""
        located = self._locate()
        (row,) = await located.reads.rows(located.descriptor, [key])
        return [] if row is None else await _nearest(located, row, size, {key, *but})


async def _nearest(located: Located, row: bytes, size: int, but: Collection[str]) -> list[tuple[str, float]]:
    if size <= 0:
        return []
    excluded = frozenset(but)
    found = await located.reads.nearest(located.descriptor, row, size + len(excluded))
    return [scored for scored in found if scored[0] not in excluded][:size]


def _row(descriptor: Descriptor, vector: npt.ArrayLike) -> bytes:
    options = descriptor.options
    try:
        return row_of(vector, int(options["dimensions"]), str(options["metric"]))
    except ValueError as error:
        raise QuestionRefused(f"{descriptor.title} cannot be searched for this vector: {error}.") from error
