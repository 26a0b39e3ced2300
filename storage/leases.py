"""The leases that a technology keeps, as any program may have written them."""

from __future__ import annotations

from collections.abc import Iterable

_LATEST_MS = 2**63 - 1


def leases(found: Iterable[tuple[str, object]]) -> dict[str, int]:
    """Title -> until when a version is read, in ms since 1970; what is no such number counts as no lease.

    Args:
        found: titles, and what is kept under them: a number, or its decimal digits.
    """
    read = ((title, _until(value)) for title, value in found)
    return {title: until for title, until in read if until is not None}


def _until(value: object) -> int | None:
    if isinstance(value, bytes | str):
        digits = value.decode(errors="replace") if isinstance(value, bytes) else value
        value = int(digits) if digits.isascii() and digits.isdecimal() and len(digits) <= 19 else None
    return value if type(value) is int and 0 <= value <= _LATEST_MS else None
