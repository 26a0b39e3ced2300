"""Vectors: per key one vector of numbers, owned by one unit, to be searched for the nearest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import polars as pl

from storage.errors import FormatRefused, WriteRefused
from storage.formats.columns import last_rows, vector_column
from storage.formats.frames import vector_frame
from storage.formats.owned import Owned
from storage.formats.vector_row import STORED, Vector, row_of, rows_of, vector_of
from storage.options import METRICS, Metric


class Vectors(Owned[Vector]):
    """One vector for each key, replaced as a whole; kept as float32.

    Args:
        dimensions: numbers in each vector.
        metric: what makes two of them near: the cosine of their angle, their dot product, or a small distance.

    Raises:
        FormatRefused: an option makes no sense.
    """

    format: ClassVar[str] = "vectors"

    def __init__(self, name: str, dimensions: int, metric: Metric = "cosine", technology: str | None = None) -> None:
        super().__init__(name, technology)
        if dimensions < 1:
            raise FormatRefused(f"{self.storage} has {dimensions} dimensions; a vector has at least one number.")
        if metric not in METRICS:
            raise FormatRefused(f"{self.storage} has the metric {metric!r}; use one of {', '.join(METRICS)}.")
        self.dimensions, self.metric = dimensions, metric

    @property
    def options(self) -> Mapping[str, Any]:
        """Dimensions and metric, and that vectors are found by being near."""
        return {"index": "vector", "dimensions": self.dimensions, "metric": self.metric}

    def put(self, frame: pl.DataFrame, key: str, vector: str) -> None:
        """Replace the vectors of a frame's keys; of several rows for one key the last counts.

        Args:
            key: the column that is the topic's key.
            vector: a column of lists, or arrays, of numbers.

        Raises:
            PutRefused: `key` is another column.
            WriteRefused: a null, a vector of another length, one with NaN or infinity, or, for the metric cosine, one
                of zeros.
        """
        self.session.must_own(self.storage, key)
        if not frame.height:
            return
        keys, rows = last_rows(frame, key, [vector], self.storage)
        numbers = vector_column(rows, vector, self.dimensions, self.storage)
        try:
            vectors = rows_of(numbers, self.dimensions, self.metric)
        except ValueError as error:
            raise WriteRefused(f"{self.storage}: a vector in the column {vector!r} is refused: {error}.") from error
        for name, row in zip(keys, vectors, strict=True):
            self._put(name, row)

    def put_one(self, key: str, vector: npt.ArrayLike) -> None:
        """Replace one vector.

        Raises:
            PutRefused: its key is not that of an event being folded.
            WriteRefused: see `put`.
        """
        self.session.must_own_row(self.storage, key)
        try:
            row = row_of(vector, self.dimensions, self.metric)
        except ValueError as error:
            raise WriteRefused(f"{self.storage}: the vector of {key!r} is refused: {error}.") from error
        self._put(key, np.frombuffer(row, STORED))

    def load(self, keys: Iterable[Any]) -> pl.DataFrame:
        """The vectors of those keys that have one, as a frame of `key` and `vector`, in the order of the keys.

        One read for all; `get` then finds them in memory. Raises PutRefused as `get` does.
        """
        return vector_frame(self._rows(keys), self.dimensions)

    def _encoded(self, key: str, value: Vector) -> bytes:
        return value.tobytes()

    def _decoded(self, key: str, row: bytes) -> Vector:
        return vector_of(row, self.dimensions, f"{self.storage} of {key!r}")

    def _copied(self, value: Vector) -> Vector:
        return value.astype(np.float32)
