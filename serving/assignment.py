"""Which variant a unit gets: a pure function, the same in every replica and every language.

The bucket of a unit is SHA-256 of salt, a zero byte and unit, its first 12 hexadecimal digits as a number, modulo
10,000. The variants own ranges of buckets in the order of the split. `docs/assignment.md` has test vectors.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from hashlib import sha256
from itertools import accumulate

BUCKETS = 10_000


def bucket(salt: str, unit: str) -> int:
    """The bucket of a unit, from 0 to 9,999."""
    return int.from_bytes(sha256(f"{salt}\0{unit}".encode("utf-8", "surrogatepass")).digest()[:6], "big") % BUCKETS


def bounds(split: Mapping[str, int]) -> list[int]:
    """For each variant, in order, the first bucket that is not its own any more; the last is 10,000.

    With two variants a changed split moves only the units between the old and the new bound.
    """
    total = sum(split.values())
    return [BUCKETS * part // total for part in accumulate(split.values())]


def propensities(split: Mapping[str, int]) -> list[float]:
    """For each variant, in order, the share of units that get it: exactly its buckets over all."""
    ends = bounds(split)
    return [(end - start) / BUCKETS for start, end in zip([0, *ends], ends, strict=False)]


def assign(salt: str, unit: str, split: Mapping[str, int]) -> tuple[str, float]:
    """The variant of a unit, and the share of units that get it.

    Args:
        salt: of the experiment; another salt draws all units anew.
        split: variant -> part of the traffic; only the ratio of the parts matters, and their order.
    """
    index = bisect_right(bounds(split), bucket(salt, unit))
    return list(split)[index], propensities(split)[index]
