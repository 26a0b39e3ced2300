"""Forward decay (Cormode, Shkapenyuk, Srivastava, Xu 2009, section III): weights that grow with event time.

A weight w at time t counts as w * 2^((t - L) / h), with h the half-life and L a landmark. Seen from later on
all weights shrink by one common factor, so that adding never needs the older sum: additions commute. Exponents
would grow without end, so event time is cut into buckets of 32 half-lives, each with its start as its landmark; a
reader combines the newest two. What is older weighs less than 2^-32 and is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from storage.technology import Newest

HALF_LIVES = 32
"""Half-lives in one bucket."""


def bucket_of(at: int, half_life: int) -> int:
    """The bucket of an event time since 1970, in the same unit as the half-life."""
    return at // (HALF_LIVES * half_life)


def grown(weight: float, at: int, half_life: int) -> float:
    """A weight at an event time, as it is added to its bucket; both times in the same unit."""
    return float(weight * 2.0 ** (at % (HALF_LIVES * half_life) / half_life))


def factor(bucket: int, now_ms: int, half_life_ms: int) -> float:
    """What turns scores stored in a bucket into scores decayed to `now_ms`."""
    return float(2.0 ** ((bucket * HALF_LIVES * half_life_ms - now_ms) / half_life_ms))


@dataclass(frozen=True, slots=True)
class Decay:
    """The decay of one storage, as its readers need it."""

    half_life_ms: int

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Decay | None:
        """From a storage's options; None where scores do not decay."""
        half_life = options.get("half_life_ms")
        return None if half_life is None else cls(int(half_life))

    def scale(self, bucket: int, newest: Newest) -> float:
        """What turns scores stored in a bucket into scores decayed to the newest event time."""
        return 1.0 if newest.at_ms is None else factor(bucket, newest.at_ms, self.half_life_ms)
