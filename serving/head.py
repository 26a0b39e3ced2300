"""The head of an answer as it travels: lines that are made once for many answers, and put together for each."""

from __future__ import annotations

import re
from collections.abc import Callable

Lines = bytes
"""Header lines, each with its end."""
Pairs = list[tuple[bytes, bytes]]
SendWhole = Callable[[Lines, bytes], bool]
"""Sends an answer with the status 200, of these lines and this body, at once; False = it cannot."""
WHOLE_ANSWER = "millrace.whole_answer"
"""Where a request's scope has it among its `extensions`, if its server offers one."""

_VISIBLE = re.compile(r"[\x20-\x7e]*")


def line(name: str, value: str) -> Lines:
    """One header line.

    Raises:
        ValueError: the value has a character that no header may have.
    """
    if not _VISIBLE.fullmatch(value):
        raise ValueError(f"The header {name} cannot be {value!r}.")
    return f"{name}: {value}\r\n".encode()


def pairs(lines: Lines) -> Pairs:
    """Names and values, as ASGI has them."""
    return [(name, value) for name, _, value in (one.partition(b": ") for one in lines.split(b"\r\n")[:-1])]
