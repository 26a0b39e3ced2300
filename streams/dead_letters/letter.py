"""One dead letter: an event that was refused, and where it is kept."""

from __future__ import annotations

import re
from dataclasses import dataclass

from streams.rejected import NO_POSITION, Rejected

_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:]+(?:\.[0-9]+)?(?:Z|[+-][0-9:]+)?")
_NUMBER = re.compile(r"0x[0-9a-fA-F]+|(?<![A-Za-z]-)[0-9](?:[0-9,]*[0-9])?")  # but UTF-8
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Letter:
    """A refused event among the dead letters of its topic.

    Attributes:
        number: its place among them: the offset in `<topic>-dead-letters`.
        refused_ms: when it was put there, in milliseconds since 1970.
    """

    number: int
    refused_ms: int
    event: Rejected

    @property
    def title(self) -> str:
        """What it is called: `clicks@42`."""
        return f"{self.event.topic}@{self.number}"

    @property
    def place(self) -> str | None:
        """Where the event was in the log, `clicks/3/17`; None if it never was in it."""
        event = self.event
        return None if event.offset == NO_POSITION else f"{event.topic}/{event.partition}/{event.offset}"

    @property
    def why(self) -> str:
        """Error and reason with each number as N and each moment as TIME: letters refused alike have the same."""
        return _NUMBER.sub("N", _TIME.sub("TIME", f"{self.event.error}: {self.event.reason}"))[:_LONGEST]


def hex_dump(value: bytes) -> str:
    """Bytes sixteen a line: where, in hexadecimal, and what of them is ASCII."""
    lines = []
    for at in range(0, len(value), 16):
        part = value[at : at + 16]
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
        lines.append(f"{at:06x}  {part.hex(' '):<47}  {text}")
    return "\n".join(lines)
