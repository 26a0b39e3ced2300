"""One trial in a process of its own: it reads what to do from its input, and ends when that ends."""

from __future__ import annotations

import json
import os
import sys
import threading
from dataclasses import asdict
from typing import Any

from millrace.backtest.candidate import Trial
from millrace.backtest.trial import run_trial
from schemas.errors import MillraceError


def main() -> None:
    """Run it; its outcome is the last line of the output."""
    trial = Trial.of_json(json.loads(sys.stdin.readline()))
    threading.Thread(target=_leave_with_the_parent, daemon=True).start()
    try:
        found = run_trial(trial, lambda done, total: _say({"part": done / max(total, 1)}))
    except MillraceError as error:
        _say({"error": str(error)})
        sys.exit(1)
    _say({"found": [asdict(item) for item in found]})


def _leave_with_the_parent() -> None:
    sys.stdin.read()
    os._exit(1)


def _say(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line, default=str) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
