"""Where a row is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from itertools import repeat
from typing import NamedTuple


class Address(NamedTuple):
    """A row within its writer's generation.

    Attributes:
        storage: format and name, "ranking/popular": a learner may use one name for two formats.
        key: the row's key.
        bucket: the span of event time, for the rows of a decayed ranking only (see `decay.py`).
    """

    storage: str
    key: str
    bucket: int | None = None


def addresses(storage: str, keys: Iterable[str]) -> Iterator[Address]:
    """Of rows without a bucket, in half the time that a call for each takes."""
    return map(partial(tuple.__new__, Address), zip(repeat(storage), keys, repeat(None)))
