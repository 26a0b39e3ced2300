"""Features that were served beside what the archive says of the same moment. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
RELATIVE, ABSOLUTE = 1e-6, 1e-9
"""So much may two numbers differ that are equal: sums in another order differ by less."""
BINS, WORST = 10, 5


class Pair(NamedTuple):
    """One decision's features: as they were served, and as the archive has them shortly before and at its moment."""

    decision: str
    at: datetime
    served: Mapping[str, Any]
    before: Mapping[str, Any]
    then: Mapping[str, Any]


class Example(NamedTuple):
    """A feature of a decision that is not what the archive says."""

    decision: str
    at: str
    served: Any
    archive: Any


@dataclass(frozen=True)
class Compared:
    """One feature over all decisions.

    Attributes:
        equal: the part of the decisions in which it is what the archive says.
        mean, p95: of the differences of numbers, served less archive, the mean, and the size that 95 % are within.
        psi: population stability index of the served values against the archive's; see `stability`.
        ks: largest distance of the two distribution functions, of numbers; see `distance`.
        skewed: more than the tolerated part is not equal.
        worst: the largest differences, or of what is no number the newest.
    """

    feature: str
    decisions: int
    equal: float
    mean: float | None
    p95: float | None
    psi: float
    ks: float | None
    skewed: bool
    worst: Sequence[Example]


def compare(pairs: Sequence[Pair], tolerance: float) -> list[Compared]:
    """Each feature, in the order of their names.

    Args:
        tolerance: the part of the decisions in which a feature may be another one.
    """
    names = sorted({name for pair in pairs for part in (pair.served, pair.then) for name in part})
    return [_compared(name, pairs, tolerance) for name in names]


def is_equal(served: Any, before: Any, then: Any) -> bool:
    """Whether a value is that of one of the two moments; a number may lie between them, as what happened in between may
    have been known in part."""
    if not all(map(is_number, (served, before, then))):
        return any(_same(served, other) for other in (before, then))
    low, high = min(before, then), max(before, then)
    room = max(ABSOLUTE, RELATIVE * max(abs(low), abs(high)))
    return bool(low - room <= served <= high + room)


def is_number(value: Any) -> bool:
    """Whether it is one that can be subtracted."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def stability(served: Sequence[Any], archive: Sequence[Any]) -> float:
    """The population stability index, sum of (p - q) ln(p / q) over bins: deciles of the archive's numbers, or values.

    Siddiqi 2006, Credit Risk Scorecards, chapter 9; it is Jeffreys' divergence (1946) of the two. By that book's rule
    below 0.1 nothing has changed and above 0.25 much has. Half a value is added to each bin, so that none is empty.
    """
    if all(map(is_number, [*served, *archive])):
        edges = np.unique(np.quantile(np.array(archive, np.float64), np.linspace(0, 1, BINS + 1)[1:-1]))
        mine, other = (
            np.bincount(np.searchsorted(edges, np.array(found, np.float64), "left"), minlength=edges.size + 1)
            for found in (served, archive)
        )
    else:
        counts = [Counter(map(repr, found)) for found in (served, archive)]
        values = sorted(counts[0] | counts[1])
        mine, other = (np.array([found[value] for value in values]) for found in counts)
    p, q = ((found + 0.5) / (found.sum() + 0.5 * found.size) for found in (mine, other))
    return float(np.sum((p - q) * np.log(p / q)))


def distance(served: Numbers, archive: Numbers) -> float:
    """The two-sample Kolmogorov-Smirnov statistic: the largest difference of the empirical distribution functions
    (Massey 1951, J. Am. Stat. Assoc. 46, section 1)."""
    both = np.concatenate([served, archive])
    mine, other = (np.searchsorted(np.sort(found), both, "right") / found.size for found in (served, archive))
    return float(np.abs(mine - other).max())


def _compared(name: str, pairs: Sequence[Pair], tolerance: float) -> Compared:
    found = [(pair, pair.served.get(name), pair.before.get(name), pair.then.get(name)) for pair in pairs]
    wrong = [(pair, served, _nearest(served, before, then)) for pair, served, before, then in found
             if not is_equal(served, before, then)]  # fmt: skip
    served, then = [item[1] for item in found], [item[3] for item in found]
    numbers = all(map(is_number, [*served, *(value for item in found for value in item[2:])]))
    differences = np.array([mine - _nearest(mine, *others) for _, mine, *others in found]) if numbers else None
    share = 1 - len(wrong) / len(pairs)
    return Compared(
        name,
        len(pairs),
        share,
        None if differences is None else float(differences.mean()),
        None if differences is None else float(np.quantile(np.abs(differences), 0.95)),
        stability(served, then),
        distance(np.array(served, np.float64), np.array(then, np.float64)) if numbers else None,
        1 - share > tolerance,
        list(_worst(wrong, numbers)),
    )


def _worst(wrong: Sequence[tuple[Pair, Any, Any]], numbers: bool) -> Iterable[Example]:
    ordered = sorted(wrong, key=lambda item: -abs(item[1] - item[2])) if numbers else list(reversed(wrong))
    for pair, served, archive in ordered[:WORST]:
        yield Example(pair.decision, pair.at.isoformat(), served, archive)


def _nearest(served: Any, before: Any, then: Any) -> Any:
    """What the archive says, as near as it comes to what was served."""
    if all(map(is_number, (served, before, then))):
        return min(max(served, min(before, then)), max(before, then))
    return then


def _same(one: Any, other: Any) -> bool:
    if is_number(one) and is_number(other):
        return math.isclose(one, other, rel_tol=RELATIVE, abs_tol=ABSOLUTE)
    return type(one) is type(other) and bool(one == other)
