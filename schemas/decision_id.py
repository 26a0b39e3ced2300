"""A decision's id, which says by itself when it was made and for which variant of which experiment."""

from __future__ import annotations

import os
import random
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

from schemas.errors import MalformedEvent

_NOBODY = "-"
_NAME = r"[A-Za-z0-9_-]+"
_TEXT = re.compile(rf"([0-9a-f]{{32}})\.({_NAME})\.({_NAME})")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = 253_402_300_799_999
"""The last millisecond of the year 9999."""

_RANDOM = random.Random(os.urandom(32))
if hasattr(os, "register_at_fork"):  # else a child's ids would be its parent's
    os.register_at_fork(after_in_child=lambda: _RANDOM.seed(os.urandom(32)))


@dataclass(frozen=True, slots=True)
class DecisionId:
    """`<uuid7>.<experiment>.<variant>`, with `-` where there is no experiment.

    Attributes:
        number: a UUID of version 7 (RFC 9562, section 5.7) as 32 hexadecimal digits; its first 48 bits are the time.
    """

    number: str
    experiment: str | None = None
    variant: str | None = None

    @classmethod
    def new(cls, experiment: str | None = None, variant: str | None = None) -> Self:
        """An id of now, unlike all others."""
        bits = _RANDOM.getrandbits(74)
        value = (time.time_ns() // 1_000_000) << 80 | 7 << 76 | ((bits >> 62) & 0xFFF) << 64 | 2 << 62
        return cls(f"{value | bits & ((1 << 62) - 1):032x}", experiment, variant)

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
        if int(number[:12], 16) > _LATEST:
            raise MalformedEvent(f"{text!r} is no decision id: its time lies after the year 9999.")
        return cls(number, None if experiment == _NOBODY else experiment, None if variant == _NOBODY else variant)

    @property
    def text(self) -> str:
        """As it travels in headers and events."""
        return f"{self.number}.{self.experiment or _NOBODY}.{self.variant or _NOBODY}"

    @property
    def at(self) -> datetime:
        """When the decision was made, in milliseconds."""
        return _EPOCH + timedelta(milliseconds=int(self.number[:12], 16))

    def __str__(self) -> str:
        return self.text
