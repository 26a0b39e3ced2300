"""A decision's id, which says by itself when it was made and for which variant of which experiment."""

from __future__ import annotations

import os
import random
import re
import time
from datetime import UTC, datetime, timedelta
from typing import Self

import msgspec

from schemas.errors import MalformedEvent
from schemas.unit_group import GROUPS

_NOBODY = "-"
DIGITS = "[0-9a-f]{32}"
"""Pattern of an id's UUID."""
NAME = "[A-Za-z0-9_-]+"
"""Pattern of the experiment and of the variant in an id."""
_TEXT = re.compile(rf"({DIGITS})\.({NAME})\.({NAME})")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = 253_402_300_799_999
"""The last millisecond of the year 9999."""

MARK = "6d7"
"""Says of a UUID that it holds a group."""
_MARK, _LAST = int(MARK, 16), (1 << 62) - 1
NUMBER = slice(0, 32)
"""Where an id has its UUID."""
TIME, MARKED, WEIGHT, GROUP = slice(0, 12), slice(13, 16), slice(17, 21), slice(21, 24)
"""Which of a UUID's digits have the time, the mark, the weight and the group; also which of an id, which begins so."""

_RANDOM = random.Random(os.urandom(32))
if hasattr(os, "register_at_fork"):  # else a child's ids would be its parent's
    os.register_at_fork(after_in_child=lambda: _RANDOM.seed(os.urandom(32)))


class DecisionId(msgspec.Struct, frozen=True):
    """`<uuid7>.<experiment>.<variant>`, with `-` where there is no experiment.

    Attributes:
        number: a UUID of version 7 (RFC 9562, section 5.7) as 32 hexadecimal digits; its first 48 bits are the time. In
            an experiment digits 14 to 16 are `MARK`, 18 to 21 the weight and 22 to 24, modulo 512, the group; all
            others are random.
    """

    number: str
    experiment: str | None = None
    variant: str | None = None

    @classmethod
    def new(
        cls,
        experiment: str | None = None,
        variant: str | None = None,
        group: int | None = None,
        weight: int | None = None,
    ) -> Self:
        """An id of now, unlike all others; `group` and `weight` as the properties say."""
        number = numbered(time.time_ns() // 1_000_000, _RANDOM.getrandbits(74), group, weight)
        return cls(number, experiment, variant)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an id.

        Raises:
            MalformedEvent: it is no id of a decision of ours.
        """
        found = _TEXT.fullmatch(text)
        if found is None:
            raise MalformedEvent(f"{text[:80]!r} is no decision id; it comes in the header millrace-decision.")
        number, experiment, variant = found.groups()
        if int(number[TIME], 16) > _LATEST:
            raise MalformedEvent(f"{text!r} is no decision id: its time lies after the year 9999.")
        return cls(number, None if experiment == _NOBODY else experiment, None if variant == _NOBODY else variant)

    @property
    def text(self) -> str:
        """As it travels in headers and events."""
        return f"{self.number}.{self.experiment or _NOBODY}.{self.variant or _NOBODY}"

    @property
    def group(self) -> int | None:
        """The group of the unit (`schemas.group_of`), so that a reward is counted with its unit's decisions, by
        whatever key it comes; None in an id that was made without one."""
        return int(self.number[GROUP], 16) % GROUPS if self.number[MARKED] == MARK else None

    @property
    def weight(self) -> int | None:
        """In 1/10,000, how much the decision and its reward count beside those of other splits
        (`serving.assignment.weights`); None where the split stays as it is."""
        return int(self.number[WEIGHT], 16) or None if self.number[MARKED] == MARK else None

    @property
    def at(self) -> datetime:
        """When the decision was made, in milliseconds."""
        return _EPOCH + timedelta(milliseconds=self.at_ms)

    @property
    def at_ms(self) -> int:
        """The same in milliseconds since 1970."""
        return int(self.number[TIME], 16)

    def __str__(self) -> str:
        return self.text


def numbered(at_ms: int, bits: int, group: int | None = None, weight: int | None = None) -> str:
    """The UUID of an id that is made then; its free bits are these, up to 74 of them."""
    if group is None:
        first = bits >> 62
        return f"{at_ms:012x}7{first if first != _MARK else ~_MARK & 0xFFF:03x}{bits & _LAST | 2 << 62:016x}"
    low = (8 | bits >> 35 & 3) << 60 | (group | (bits & 7) << 9) << 32 | bits >> 3 & 0xFFFFFFFF
    if weight:
        low |= min(weight, 0xFFFF) << 44
    return f"{at_ms:012x}7{MARK}{low:016x}"
