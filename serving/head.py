"""The head of an answer as it travels: lines that are made once for many answers, and put together for each."""

from __future__ import annotations

import re
from collections.abc import Iterable

Lines = bytes
"""Header lines, each with its end."""
Pairs = list[tuple[bytes, bytes]]
Reply = tuple[int, Lines, bytes]
"""A whole answer: its status, its header lines but for the body's length, and its body."""

_VISIBLE = re.compile(r"[\x20-\x7e]*")


def line(name: str, value: str) -> Lines:
    """One header line.

    Raises:
        ValueError: the value has a character that no header may have.
    """
    if not _VISIBLE.fullmatch(value):
        raise ValueError(f"The header {name} cannot be {value!r}.")
    return f"{name}: {value}\r\n".encode()


def lines_of(headers: Iterable[tuple[bytes, bytes]]) -> Lines:
    """Names and values of ASGI as lines."""
    return b"".join([b"%b: %b\r\n" % pair for pair in headers])


def pairs(lines: Lines) -> Pairs:
    """Names and values, as ASGI has them."""
    return [(name, value) for name, _, value in (one.partition(b": ") for one in lines.split(b"\r\n")[:-1])]
