"""What the code of a data product has raised, and where in it, in words."""

from __future__ import annotations

import linecache
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from traceback import walk_tb
from types import FrameType

ROOMS = {"learners", "storage", "streams", "schemas", "serving", "millrace", "asyncio"}
"""Whose frames stand before those of a product's code."""


def raised(error: BaseException) -> str:
    """`ZeroDivisionError: division by zero, in shop/learners.py:14: return 1 / event.stars`; without a line where the
    error does not come from code that we have called."""
    return f"{type(error).__name__}: {error}{''.join(_own(error))}"


def _own(error: BaseException) -> Iterator[str]:
    """The innermost line in the folder of the code that was called."""
    frames = list(walk_tb(error.__traceback__))
    called = next((frame for frame, _ in frames if not _ours(frame)), None)
    if called is None:
        return
    folder = Path(called.f_code.co_filename).parent
    file, number = [
        (frame.f_code.co_filename, number)
        for frame, number in frames
        if Path(frame.f_code.co_filename).parent == folder
    ][-1]
    line = linecache.getline(file, number).strip()
    shown = Path(file)
    with suppress(OSError, ValueError):  # the folder in which we work may be gone, or the file is elsewhere
        shown = shown.relative_to(Path.cwd())
    yield f", in {shown}:{number}" + (f": {line}" if line else "")


def _ours(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0] in ROOMS
