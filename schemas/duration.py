"""Durations as files of settings write them: `window = "30m"`."""

from __future__ import annotations

from datetime import timedelta

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_DIGITS = 6


def duration(text: object) -> timedelta:
    """`90s`, `30m`, `12h` or `7d` as a duration, longer than none.

    Raises:
        ValueError: it is none; the message says how one is written.
    """
    if isinstance(text, str) and text[-1:] in _UNITS:
        number = text[:-1]
        if number.isdecimal() and len(number) <= _DIGITS and int(number) > 0:
            return timedelta(**{_UNITS[text[-1]]: int(number)})
    raise ValueError(f"{text!r} is no duration; write 90s, 30m, 12h or 7d")
