"""Which variant a unit gets: pure functions, the same in every replica and every language.

The bucket of a unit is SHA-256 of salt, a zero byte and unit, its first 12 hexadecimal digits as a number, modulo
10,000. The variants own ranges of buckets in the order of the split; experiments own ranges of their layer's buckets.
`docs/assignment.md` has test vectors.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from itertools import accumulate

BUCKETS = 10_000
LAYER = "layer/"
"""Before a layer's name in its salt. No experiment's name has a slash, so that the two never draw alike."""
Range = tuple[int, int]
"""The first bucket, and the one after the last."""


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
    """For each variant, in order, the share of the experiment's units that get it: exactly its buckets over all."""
    return shares_of(bounds(split))


def shares_of(ends: Sequence[int]) -> list[float]:
    """The same of variants whose buckets end there; see `bounds`."""
    return [(end - start) / BUCKETS for start, end in zip([0, *ends], ends, strict=False)]


def weights(shares: Sequence[float]) -> list[int]:
    """For each variant, in order, the weight of its decisions, in 1/10,000, where the split changes by itself.

    Within one split all variants then have the same weight together, so that a time in which one variant was given
    more, and all were rewarded more, favours none; and a split that says little about a difference weighs little: the
    overlap weights of Li and Li (2019), "Propensity score weighting for causal inference with multiple treatments",
    Annals of Applied Statistics 13, section 2.3. An even split has the weight 1.

    Args:
        shares: of the split, as `propensities` gives them, above 0.
    """
    common = len(shares) / sum(1 / share for share in shares)
    return [max(1, round(BUCKETS * common / share)) for share in shares]


def assign(salt: str, unit: str, split: Mapping[str, int]) -> tuple[str, float]:
    """The variant of a unit, and the share of units that get it.

    Args:
        salt: of the experiment; another salt draws all units anew.
        split: variant -> part of the traffic; only the ratio of the parts matters, and their order.
    """
    index = bisect_right(bounds(split), bucket(salt, unit))
    return list(split)[index], propensities(split)[index]


def takes_part(layer: str, unit: str, ranges: Iterable[Range]) -> bool:
    """Whether a unit is in the experiment that owns these ranges of the layer's buckets."""
    number = bucket(LAYER + layer, unit)
    return any(start <= number < end for start, end in ranges)


def size(ranges: Iterable[Range]) -> int:
    """How many buckets they are together."""
    return sum(end - start for start, end in ranges)


def owned(wanted: int, held: Sequence[Range], taken: Iterable[Range]) -> list[Range]:
    """The ranges of an experiment that is to own `wanted` buckets of its layer, as many as there are.

    What it holds stays its own, so that no unit leaves it while it grows: it takes the lowest free buckets on top, and
    gives those back first that it took last.

    Args:
        held: its ranges so far, in the order in which it took them.
        taken: the ranges that other experiments own.
    """
    taken = list(taken)
    found: list[Range] = []
    for start, end in [*_common(held, free(taken)), *free([*taken, *held])]:
        end = min(end, start + wanted - size(found))
        if start == end:
            break
        if found and found[-1][1] == start:
            start = found.pop()[0]
        found.append((start, end))
    return found


def free(taken: Iterable[Range]) -> list[Range]:
    """What nobody owns, the lowest first."""
    found, position = [], 0
    for start, end in sorted(taken):
        if position < start:
            found.append((position, start))
        position = max(position, end)
    return [*found, (position, BUCKETS)] if position < BUCKETS else found


def _common(ranges: Sequence[Range], others: Sequence[Range]) -> list[Range]:
    """What lies in both, in the order of the first."""
    pairs = [(max(a, c), min(b, d)) for a, b in ranges for c, d in others]
    return [(start, end) for start, end in pairs if start < end]
