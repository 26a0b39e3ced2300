"""What the service asks of rows: each kind of lookup as a command, what its reply means, and what that takes."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import hiredis
import msgspec

from storage.redis.keys import NEWEST, newest

Command = tuple[str | bytes | int, ...]
Part = Hashable
"""Which part of what is under a key: the size of a ranking's top, a ranking's members, a record's key."""


@dataclass(frozen=True, slots=True, eq=False)
class Lookup:
    """One kind of question.

    Attributes:
        command: what is sent, for a key and a part of it.
        packed: the same as it travels, where that is made quicker than by hiredis.
        decode: the reply as a value; may raise whatever comes of a row that is none of ours.
        copied: what somebody is given for a value: his own, to do with as he likes. Values themselves never change.
        kept: what is kept near of a value, in one piece where that can be: each piece that no processor has near costs
            as much as copying it.
        given: what somebody is given for what was kept, as `copied`.
        weigh: bytes that what is kept takes in memory, about.
        spread: whether the part is a tuple of parts, and the value a list with one for each.
    """

    command: Callable[[str, Any], Command]
    decode: Callable[[Any], Any]
    copied: Callable[[Any], Any]
    kept: Callable[[Any], Any]
    given: Callable[[Any], Any]
    weigh: Callable[[Any], int]
    spread: bool = False
    packed: Callable[[str, Any], bytes] | None = None

    def pack(self, key: str, part: Part) -> bytes:
        """What is sent, as it travels."""
        return packed(self.command(key, part)) if self.packed is None else self.packed(key, part)


Question = tuple[Lookup, str, Part]
"""A lookup, the key and the part: what a reader asks for."""


def packed(command: Command) -> bytes:
    """A command as it travels."""
    return cast(bytes, hiredis.pack_command(cast(Any, command)))


def _packed_top(key: str, size: int) -> bytes:
    name = key.encode()
    return b"*5\r\n$6\r\nZRANGE\r\n$%d\r\n%b\r\n%b" % (len(name), name, _packed_range(size))


@lru_cache(maxsize=256)
def _packed_range(size: int) -> bytes:
    last = b"%d" % (size - 1)
    return b"$1\r\n0\r\n$%d\r\n%b\r\n$10\r\nWITHSCORES\r\n" % (len(last), last)


def _same(value: Any) -> Any:
    return value


def _pairs(row: Iterable[Any]) -> tuple[tuple[str, float], ...]:
    return tuple([(member.decode(), 0.0 - score) for member, score in row])


def _scores(row: Iterable[float | None]) -> tuple[float | None, ...]:
    return tuple([None if score is None else 0.0 - score for score in row])


def _sums(row: dict[bytes, bytes]) -> dict[str, int]:
    return {field.decode(): int(value) for field, value in row.items()}


_PAIRS = msgspec.msgpack.Decoder(list[tuple[str, float]])


def _weight_of_row(row: bytes | None) -> int:
    return 120 if row is None else 150 + len(row)


TOP = Lookup(
    command=lambda key, size: ("ZRANGE", key, 0, size - 1, "WITHSCORES"),
    decode=_pairs,
    copied=list,
    kept=msgspec.msgpack.Encoder().encode,
    given=_PAIRS.decode,
    weigh=_weight_of_row,
    packed=_packed_top,
)
"""The best of a ranking's row; its part is how many, at least one."""
SCORES = Lookup(
    command=lambda key, members: ("ZMSCORE", key, *members),
    decode=_scores,
    copied=list,
    kept=_same,
    given=list,
    weigh=lambda scores: 250 + 120 * len(scores),
)
"""Scores of a ranking's members; its part are these, as a tuple."""
SUMS = Lookup(
    command=lambda key, part: ("HGETALL", key),
    decode=_sums,
    copied=dict,
    kept=_same,
    given=dict,
    weigh=lambda sums: 300 + sum([160 + len(field) for field in sums]),
)
"""All fields of a counter's row."""
ROWS = Lookup(
    command=lambda key, rows: ("HMGET", key, *rows),
    decode=_same,
    copied=_same,
    kept=_same,
    given=_same,
    weigh=_weight_of_row,
    spread=True,
)
"""Rows that were put; its part are their keys, as a tuple, and what is kept is each row by its key."""
NEWEST_OF = Lookup(
    command=lambda key, part: ("HMGET", key, *NEWEST),
    decode=newest,
    copied=_same,
    kept=_same,
    given=_same,
    weigh=lambda found: 250,
)
"""The newest that a storage holds."""
