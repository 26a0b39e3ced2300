"""Which dead letters of a topic are meant: by reason, by time, by position. No I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass

from schemas.errors import MillraceError
from streams.dead_letters.letter import Letter

Span = tuple[int, int]
"""The first and the last of some numbers that follow one another."""
_POSITION = re.compile(r"(?:([0-9]{1,9})/)?([0-9]{1,18})(?:-([0-9]{1,18}))?")


@dataclass(frozen=True, slots=True)
class Selection:
    """What is given must hold of a letter, all of it; given nothing, every letter is meant.

    Attributes:
        reason: part of its error and reason, in any case; numbers may be written as N.
        since_ms, until_ms: when it was refused, in milliseconds since 1970; the second is not part of it.
        places: partition and offsets, one of which was its position.
        numbers: among one of these is its number.
    """

    reason: str = ""
    since_ms: int | None = None
    until_ms: int | None = None
    places: tuple[tuple[int, Span], ...] = ()
    numbers: tuple[Span, ...] = ()

    def takes(self, letter: Letter) -> bool:
        """Whether the letter is meant."""
        if self.since_ms is not None and letter.refused_ms < self.since_ms:
            return False
        if self.until_ms is not None and letter.refused_ms >= self.until_ms:
            return False
        return self._placed(letter) and self._alike(letter)

    def _placed(self, letter: Letter) -> bool:
        if not self.places and not self.numbers:
            return True
        if any(first <= letter.number <= last for first, last in self.numbers):
            return True
        event = letter.event
        return any(at == event.partition and low <= event.offset <= high for at, (low, high) in self.places)

    def _alike(self, letter: Letter) -> bool:
        wanted = self.reason.lower()
        return wanted in letter.why.lower() or wanted in f"{letter.event.error}: {letter.event.reason}".lower()


def positions(texts: list[str]) -> tuple[tuple[tuple[int, Span], ...], tuple[Span, ...]]:
    """The places and numbers that texts name: `3/17`, `3/17-40`; without a partition a letter's number, `42`, `42-50`.

    Raises:
        MillraceError: one of them is no position.
    """
    places: list[tuple[int, Span]] = []
    numbers: list[Span] = []
    for text in texts:
        found = _POSITION.fullmatch(text)
        if found is None:
            raise MillraceError(f"{text!r} is no position; write PARTITION/OFFSET, 3/17 or 3/17-40, or a number, 42.")
        partition, first, last = found.groups()
        span = int(first), int(last or first)
        if partition is None:
            numbers.append(span)
        else:
            places.append((int(partition), span))
    return tuple(places), tuple(numbers)
