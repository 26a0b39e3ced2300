"""One row that was put, as named items: for comparing rows, showing them, and putting them into frames."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from schemas import decode_record
from storage.descriptor import Descriptor
from storage.formats.vector_row import vector_of
from storage.snapshots.model_path import joined, step_of
from storage.snapshots.snapshot import Snapshot
from storage.snapshots.value import Numbers, Scalar

EXAMPLES = "(examples)"
"""The item that says of how many events parameters were learned; no path looks like it."""


def items_of(descriptor: Descriptor, key: str, row: bytes) -> dict[str, Any]:
    """A record's fields, a vector's numbers, or parameters by their path, each as a plain value.

    Raises:
        SuspectGeneration: the row is none that the format writes.
    """
    what = f"{descriptor.title} of {key!r}"
    match descriptor.format:
        case "records":
            return decode_record(descriptor.schema or {}, row)
        case "vectors":
            return {"vector": vector_of(row, int(descriptor.options["dimensions"]), what).tolist()}
        case "parameters":
            snapshot = Snapshot.of_bytes(row, what)
            return {EXAMPLES: snapshot.examples, **dict(scalars_of(snapshot))}
        case _:
            return {"row": row}


def scalars_of(snapshot: Snapshot) -> Iterator[tuple[str, Scalar]]:
    """Every number and every other plain value, by a path that goes on into arrays, mappings and lists."""
    for path, value in snapshot.values.items():
        if isinstance(value, np.ndarray):
            for place in np.ndindex(value.shape):
                yield "/".join([path, *map(str, place)]), value[place].item()
        elif isinstance(value, Numbers):
            yield from sorted((joined(path, step_of(key)), number) for key, number in value.by_key.items())
        elif isinstance(value, list):
            yield from ((joined(path, str(place)), item) for place, item in enumerate(value))
        else:
            yield path, value
