"""A vector as a row: float32, little endian, one after the other. Pure."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from storage.errors import SuspectGeneration

Vector = npt.NDArray[np.float32]
STORED = np.dtype("<f4")


def rows_of(numbers: npt.NDArray[np.generic], dimensions: int, metric: str) -> Vector:
    """Vectors, one a row of the matrix, as they are stored.

    Raises:
        ValueError: what is wrong with the first vector that cannot be held, in words.
    """
    if numbers.ndim != 2 or numbers.dtype.kind not in "fiub":
        raise ValueError(f"a vector is {dimensions} numbers, not {numbers.dtype} of shape {numbers.shape[1:]}")
    if numbers.shape[1] != dimensions:
        raise ValueError(f"it has {numbers.shape[1]} numbers instead of {dimensions}")
    with np.errstate(over="ignore"):
        rows = np.ascontiguousarray(numbers, STORED)
    finite = np.isfinite(rows)
    if not finite.all():
        raise ValueError(f"it has {numbers[~finite][0]}, which float32 cannot hold as a finite number")
    if metric == "cosine" and not rows.any(axis=1).all():
        raise ValueError("it is all zeros, which has no direction for the metric cosine")
    return rows


def pointing(vector: Vector, metric: str) -> list[float]:
    """A vector for an index that computes in float32: with the metric cosine, which asks for its direction alone, of
    length 1, as the squares of very small and of very large numbers are 0 and infinite there."""
    if metric != "cosine":
        return [float(number) for number in vector]
    numbers = vector.astype(np.float64)
    found: list[float] = (numbers / (np.linalg.norm(numbers) or 1.0)).tolist()
    return found


def row_of(vector: npt.ArrayLike, dimensions: int, metric: str) -> bytes:
    """One vector as it is stored. Raises ValueError as `rows_of` does."""
    numbers = np.asarray(vector)
    if numbers.ndim != 1:
        raise ValueError(f"a vector is {dimensions} numbers in one row, not {numbers.ndim} dimensions of them")
    return rows_of(numbers[None, :], dimensions, metric).tobytes()


def vector_of(row: bytes, dimensions: int, what: str) -> Vector:
    """A stored row as a vector of one's own.

    Args:
        what: whose row it is, for the message.

    Raises:
        SuspectGeneration: it is no vector of this length.
    """
    if len(row) != STORED.itemsize * dimensions:
        raise SuspectGeneration(
            f"{what} has {len(row)} bytes, and {dimensions} numbers have {STORED.itemsize * dimensions}: somebody else "
            "has written it. Rebuild the storage in a new version."
        )
    return np.frombuffer(row, STORED).astype(np.float32)
