"""One trial in a process of its own: it reads what to do from its input, and ends when that ends."""

from __future__ import annotations

import json
import os
import sys
import threading
from dataclasses import asdict
from typing import Any, TextIO

from millrace.backtest.candidate import Trial
from millrace.backtest.trial import run_trial
from schemas.errors import MillraceError


def main() -> None:
    """Run it; its outcome is the last line of the output."""
    trial = Trial.of_json(json.loads(sys.stdin.readline()))
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what a product's code prints is no outcome, and nobody's to read
    threading.Thread(target=_leave_with_the_parent, daemon=True).start()
    try:
        found = run_trial(trial, lambda done, total: _say(answers, {"part": done / max(total, 1)}))
    except MillraceError as error:
        _say(answers, {"error": str(error)})
        sys.exit(1)
    _say(answers, {"found": [asdict(item) for item in found]})


def _leave_with_the_parent() -> None:
    sys.stdin.read()
    os._exit(1)


def _say(answers: TextIO, line: dict[str, Any]) -> None:
    answers.write(json.dumps(line, default=str) + "\n")
    answers.flush()


if __name__ == "__main__":
    main()
