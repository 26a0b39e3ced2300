"""What a proof says: its progress to people on stderr, and at its end its figures to programs on stdout."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

Found = TypeVar("Found")


def say(text: str) -> None:
    """One line of progress, at once."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def attempt(measure: Callable[[], Found], otherwise: Found) -> Found:
    """What is measured; where that fails, why, and something else in its place: what comes after is measured all the
    same."""
    try:
        return measure()
    except Exception as error:
        say("".join(traceback.format_exception(error)))
        return otherwise


def conclude(figures: Mapping[str, Any], problems: Sequence[str]) -> None:
    """The figures, as the last line and one JSON object; where they prove too little, why, and exit code 1."""
    for problem in problems:
        say(problem)
    sys.stdout.write(json.dumps(figures) + "\n")
    sys.stdout.flush()
    if problems:
        sys.exit(1)


def shortcomings(
    figures: Mapping[str, float | None], least: Mapping[str, float], most: Mapping[str, float]
) -> list[str]:
    """What was not measured, and which figures do not reach what they must, or pass what they may not."""
    missing = [f"{name} was not measured." for name, value in figures.items() if value is None]
    wrong = [
        f"{name} is {value:g}, and must be {bound:g} or {'more' if bounds is least else 'less'}."
        for bounds in (least, most)
        for name, bound in bounds.items()
        if (value := figures[name]) is not None and (value < bound if bounds is least else value > bound)
    ]
    return missing + wrong
