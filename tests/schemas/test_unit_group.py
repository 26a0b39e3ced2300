"""Units fall into groups evenly, the same in every process and language."""

from __future__ import annotations

from collections import Counter

from schemas import GROUPS, group_of


def test_the_group_of_a_unit_is_what_is_documented() -> None:
    assert [group_of(unit) for unit in ("u1", "u2", "Zoë", "")] == [374, 204, 42, 0]


def test_units_spread_evenly() -> None:
    found = Counter(group_of(f"user-{number}") for number in range(GROUPS * 100))
    assert len(found) == GROUPS
    assert sum((count - 100) ** 2 / 100 for count in found.values()) < 640  # chi-square of 511: above it 1 in 10,000
