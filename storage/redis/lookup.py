"""What the service asks of rows: each kind of lookup as a command, what its reply means, and what that takes."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Any

from storage.redis.keys import NEWEST, newest

Command = tuple[str | bytes | int, ...]
Part = Hashable
"""Which part of what is under a key: the size of a ranking's top, a ranking's members, a record's key."""


@dataclass(frozen=True, slots=True, eq=False)
class Lookup:
    """One kind of question.

    Attributes:
        command: what is sent, for a key and a part of it.
        decode: the reply as a value; may raise whatever comes of a row that is none of ours.
        copied: what somebody is given for a value: his own, to do with as he likes. Values themselves never change, and
            those of rankings are tuples, which the garbage collector does not look through again and again.
        weigh: bytes that a value takes in memory, about.
        spread: whether the part is a tuple of parts, and the value a list with one for each.
    """

    command: Callable[[str, Any], Command]
    decode: Callable[[Any], Any]
    copied: Callable[[Any], Any]
    weigh: Callable[[Any], int]
    spread: bool = False


Question = tuple[Lookup, str, Part]
"""A lookup, the key and the part: what a reader asks for."""


def _same(value: Any) -> Any:
    return value


def _pairs(row: Iterable[Any]) -> tuple[tuple[str, float], ...]:
    return tuple([(member.decode(), 0.0 - score) for member, score in row])


def _scores(row: Iterable[float | None]) -> tuple[float | None, ...]:
    return tuple([None if score is None else 0.0 - score for score in row])


def _sums(row: dict[bytes, bytes]) -> dict[str, int]:
    return {field.decode(): int(value) for field, value in row.items()}


def _weight_of_row(row: bytes | None) -> int:
    return 120 if row is None else 150 + len(row)


TOP = Lookup(
    command=lambda key, size: ("ZRANGE", key, 0, size - 1, "WITHSCORES"),
    decode=_pairs,
    copied=list,
    weigh=lambda pairs: 150 + sum([160 + len(member) for member, _ in pairs]),
)
"""The best of a ranking's row; its part is how many, at least one."""
SCORES = Lookup(
    command=lambda key, members: ("ZMSCORE", key, *members),
    decode=_scores,
    copied=list,
    weigh=lambda scores: 250 + 120 * len(scores),
)
"""Scores of a ranking's members; its part are these, as a tuple."""
SUMS = Lookup(
    command=lambda key, part: ("HGETALL", key),
    decode=_sums,
    copied=dict,
    weigh=lambda sums: 300 + sum([160 + len(field) for field in sums]),
)
"""All fields of a counter's row."""
ROWS = Lookup(
    command=lambda key, rows: ("HMGET", key, *rows),
    decode=_same,
    copied=_same,
    weigh=_weight_of_row,
    spread=True,
)
"""Rows that were put; its part are their keys, as a tuple, and what is kept is each row by its key."""
NEWEST_OF = Lookup(
    command=lambda key, part: ("HMGET", key, *NEWEST),
    decode=newest,
    copied=_same,
    weigh=lambda found: 250,
)
"""The newest that a storage holds."""
