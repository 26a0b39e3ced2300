"""Spans of time as people write them: "90s", "6 h", "30d"."""

from __future__ import annotations

import re
from datetime import timedelta

_UNITS = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "min": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_TEXT = re.compile(rf"(\d{{1,9}})\s*({'|'.join(sorted(_UNITS, key=len, reverse=True))})")


def span(text: str) -> timedelta:
    """The span.

    Raises:
        ValueError: the text is none, or too long a one; the message says how one is written.
    """
    found = _TEXT.fullmatch(text.strip().lower())
    if found is None:
        raise ValueError(f'{text!r} is no span of time; write a number and one of {", ".join(_UNITS)}, such as "30d"')
    try:
        return int(found[1]) * _UNITS[found[2]]
    except OverflowError:
        raise ValueError(f"{text!r} is longer than anything lasts; write a shorter span") from None


def in_words(milliseconds: int) -> str:
    """A span in the largest unit that leaves no rest: `6 h`, `30 d`, `1500 ms`."""
    for unit in ("d", "h", "min", "s"):
        size = _UNITS[unit] // _UNITS["ms"]
        if milliseconds >= size and milliseconds % size == 0:
            return f"{milliseconds // size} {unit}"
    return f"{milliseconds} ms"
