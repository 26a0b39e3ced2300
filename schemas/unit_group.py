"""The group that a unit belongs to, whatever experiment it is in: what the variance of an experiment's results is
taken over.

Decisions of one unit are alike, so that a result's uncertainty must be taken over units and not over decisions. Sums
per unit need a row for each and a join of decisions with rewards; sums per group of units need neither, and groups of
whole units, made by a checksum of the unit, are as independent of each other as units are.
"""

from __future__ import annotations

from zlib import crc32

GROUPS = 512
"""Enough that the estimated standard error is within 3 % of its true value (1 / sqrt(2 * 511)), and few enough that all
of them are read for each look."""


def group_of(unit: str) -> int:
    """From 0 to 511: the CRC-32 of the unit's UTF-8 modulo 512.

    Any split that knows nothing of the answers will do, so it is one that costs a tenth of the assignment's hash.
    """
    return crc32(unit.encode("utf-8", "surrogatepass")) % GROUPS
