"""One model out of the models of several units: averaged or summed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from storage.errors import FormatRefused
from storage.snapshots.snapshot import Snapshot
from storage.snapshots.value import Key, Numbers, Value

Weights = npt.NDArray[np.float64]


def merged(snapshots: Sequence[Snapshot], merge: str, what: str) -> Mapping[str, Value]:
    """The values of one model, by path, out of those of all units.

    "average" is federated averaging: w = sum over the units k of n_k / n * w_k, with n_k the examples of a unit and n
    those of all (McMahan, Moore, Ramage, Hampson and Agüera y Arcas 2017, section 2, Algorithm 1). A key that a unit's
    sparse weights do not have counts as 0 there. "sum" adds, for models that are sums over their examples and begin at
    zero. What is equal in all units stays as it is, in a sum if nobody has learned it (a learning rate); of texts and
    other values that have no mean, the one of the unit with the most examples is taken.

    Args:
        what: the storage's title, for messages.

    Raises:
        FormatRefused: arrays of several shapes, which have no mean; the message names their path.
    """
    if len(snapshots) == 1:
        return snapshots[0].values
    return {path: _merged(path, snapshots, merge, what) for each in snapshots for path in each.values}


def _merged(path: str, snapshots: Sequence[Snapshot], merge: str, what: str) -> Value:
    having = [each for each in snapshots if path in each.values]
    values = [each.values[path] for each in having]
    learned = merge == "sum" and any(path not in each.as_made for each in having)
    sparse = any(isinstance(value, Numbers) for value in values)
    if not learned and not (sparse and len(having) < len(snapshots)) and all(_equal(v, values[0]) for v in values):
        return values[0]
    if sparse:
        return _numbers([each.values.get(path) for each in snapshots], _weights(snapshots, merge))
    if not all(isinstance(value, int | float | np.ndarray) and not isinstance(value, bool) for value in values):
        return max(having, key=lambda each: each.examples).values[path]
    arrays = [np.asarray(value) for value in values]
    if len(shapes := {array.shape for array in arrays}) > 1:
        raise FormatRefused(
            f"{what} cannot be merged: its units have {path} in the shapes {', '.join(map(str, sorted(shapes)))}. "
            'Declare it with merge="ensemble", which asks the model of each unit.'
        )
    return _combined(arrays, _weights(having, merge), isinstance(values[0], np.ndarray))


def _weights(snapshots: Sequence[Snapshot], merge: str) -> Weights:
    if merge == "sum":
        return np.ones(len(snapshots))
    examples = np.array([each.examples for each in snapshots], np.float64)
    return examples / examples.sum() if examples.any() else np.full(len(snapshots), 1 / len(snapshots))


def _combined(arrays: Sequence[npt.NDArray[Any]], weights: Weights, array: bool) -> Value:
    """Sums of integers are integers; whatever else there is keeps its own kind of floating point."""
    whole = all(each.dtype.kind in "iub" for each in arrays)
    if whole and np.all(weights == 1):
        total = np.asarray(np.sum(np.stack(arrays), axis=0, dtype=np.int64))
        return total if array else int(total)
    mean = np.tensordot(weights, np.stack(arrays).astype(np.float64), axes=1)
    return mean.astype(np.float64 if whole else np.result_type(*arrays)) if array else float(mean)


def _numbers(found: Sequence[Value], weights: Weights) -> Numbers:
    parts = [value if isinstance(value, Numbers) else Numbers() for value in found]
    totals: dict[Key, Any] = {}
    for part, weight in zip(parts, weights.tolist(), strict=True):
        scale = int(weight) if weight == 1 else weight
        for key, number in part.by_key.items():
            totals[key] = totals.get(key, 0) + scale * number
    return Numbers(totals, next((part.maker for part in parts if part.by_key), 0))


def _equal(one: Value, other: Value) -> bool:
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
    return type(one) is type(other) and (one == other or (one != one and other != other))
