"""What a proof says: its progress to people on stderr, and at its end its figures to programs on stdout."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any


def say(text: str) -> None:
    """One line of progress, at once."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def conclude(figures: Mapping[str, Any], problems: Sequence[str]) -> None:
    """The figures, as the last line and one JSON object; where they prove too little, why, and exit code 1."""
    for problem in problems:
        say(problem)
    sys.stdout.write(json.dumps(figures) + "\n")
    sys.stdout.flush()
    if problems:
        sys.exit(1)
