"""The nearest vectors by looking at all of them: exact, for what fits a scan of some milliseconds. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice

import numpy as np
import numpy.typing as npt

from storage.formats.vector_row import STORED

Floats = npt.NDArray[np.float64]

CHUNK = 4_096
"""So many vectors are compared at once: it bounds the memory, whatever the number of rows."""


def nearest(rows: Iterable[tuple[str, bytes]], vector: bytes, size: int, metric: str) -> list[tuple[str, float]]:
    """Of (key, row) the `size` most similar to a vector, with their similarity, best first, ties by key.

    Equal rows have equal similarities to the last bit, whatever stands beside them: a sum along a row is always made
    in the same order, which a product of matrices does not promise. A row that is no vector of this length, or has no
    similarity (another program may have put NaN there), is near nothing.

    Args:
        metric: "cosine" and "dot" give that product, "euclidean" gives the negated distance.
    """
    if size <= 0:
        return []
    similarity = _SIMILARITIES[metric]
    wanted = np.frombuffer(vector, STORED).astype(np.float64)
    best: list[tuple[str, float]] = []
    remaining = (pair for pair in rows if len(pair[1]) == len(vector))
    while chunk := list(islice(remaining, CHUNK)):
        matrix = np.frombuffer(b"".join(row for _, row in chunk), STORED).reshape(len(chunk), -1).astype(np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            similarities = similarity(matrix, wanted)
        similarities[np.isnan(similarities)] = -np.inf
        best += _candidates([key for key, _ in chunk], similarities, size)
        best.sort(key=lambda scored: (-scored[1], scored[0]))
        del best[size:]
    return best


def _candidates(keys: list[str], similarities: Floats, size: int) -> list[tuple[str, float]]:
    """Those that may be among the best: with all that are tied with the last of them, as keys decide."""
    if len(keys) > size:
        least = np.partition(similarities, len(keys) - size)[len(keys) - size]
        found = np.flatnonzero(similarities >= least)
    else:
        found = np.arange(len(keys))
    return [(keys[place], float(similarities[place])) for place in found if similarities[place] > -np.inf]


def _dot(matrix: Floats, wanted: Floats) -> Floats:
    return _sums(matrix * wanted)


def _cosine(matrix: Floats, wanted: Floats) -> Floats:
    lengths: Floats = np.sqrt(_sums(matrix * matrix) * np.add.reduce(wanted * wanted))
    return _dot(matrix, wanted) / lengths


def _euclidean(matrix: Floats, wanted: Floats) -> Floats:
    apart = matrix - wanted
    distances: Floats = np.sqrt(_sums(apart * apart))
    return 0.0 - distances


def _sums(products: Floats) -> Floats:
    along: Floats = np.add.reduce(products, axis=1)
    return along


_SIMILARITIES: dict[str, Callable[[Floats, Floats], Floats]] = {
    "cosine": _cosine,
    "dot": _dot,
    "euclidean": _euclidean,
}
