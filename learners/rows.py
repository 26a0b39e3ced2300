"""What learners have left in their storages, compared: `learners.checks` asks whether two folds gave the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isclose
from typing import Any

Place = tuple[str, str, int | None]
"""Storage ("ranking/popular"), key, and the bucket of a decayed ranking's row."""
Rows = Mapping[Place, Mapping[str, Any]]
"""Of every row its items: members with scores, fields with sums, or those of `storage.items_of`."""

SHOWN = 3
EQUAL = 1e-9
"""Floating-point sums may differ so much, relative, by the order of summation; everything else must be equal."""


def difference(expected: Rows, found: Rows) -> str | None:
    """What differs, in one line with the first few items; None if nothing does."""
    differing = list(_differing(expected, found))
    if not differing:
        return None
    more = f" (and {len(differing) - SHOWN} more)" if len(differing) > SHOWN else ""
    return "; ".join(differing[:SHOWN]) + more


def _differing(expected: Rows, found: Rows) -> Iterator[str]:
    for place in sorted({*expected, *found}, key=repr):
        storage, key, _ = place
        wanted, given = expected.get(place, {}), found.get(place, {})
        for item in dict.fromkeys((*wanted, *given)):
            one, other = wanted.get(item), given.get(item)
            if not _same(one, other, summed=storage.startswith("ranking/")):
                yield f"{storage} of {key!r}: {item!r} is {other!r} instead of {one!r}"


def _same(one: Any, other: Any, summed: bool) -> bool:
    if one == other or (one != one and other != other):
        return True
    if not (summed and isinstance(one, float) and isinstance(other, float)):
        return False
    whole = one.is_integer() and other.is_integer()
    return not whole and isclose(one, other, rel_tol=EQUAL)
