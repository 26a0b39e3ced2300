"""What backtests have found, as it is kept in `state_dir`, for the console."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from millrace.backtest.trials import PLAN, Kept

NEWEST = 50
"""So many are shown; what is older stays where it is."""


class Results:
    """Everything below a folder of results. A file that cannot be read, as it is of another release, is passed over."""

    def __init__(self, below: Path) -> None:
        self._below = below

    def results(self) -> Sequence[Mapping[str, Any]]:
        """See `serving.backtests`."""
        plans = sorted(self._below.glob(f"*/*/{PLAN}"), key=lambda file: file.stat().st_mtime, reverse=True)
        found = []
        for plan in plans[:NEWEST]:
            with suppress(OSError, ValueError, TypeError, AttributeError, LookupError):
                found.append(_result(plan))
        return found


def _result(plan: Path) -> dict[str, Any]:
    kept = Kept.there(plan.parent)
    done = [found for number in range(len(kept.trials)) if (found := kept.found(number)) is not None]
    first = kept.trials[0].to_json()
    candidates = sorted((item for found in done for item in found), key=lambda item: item.rank)
    return {
        "name": plan.parent.name,
        "product": plan.parent.parent.name,
        "source": first["source"],
        "since": first["extent"]["since"],
        "until": first["extent"]["until"],
        "began": plan.stat().st_mtime,
        "trials": len(kept.trials),
        "done": len(done),
        "candidates": [
            {
                "title": item.title,
                "measure": item.measure,
                "more": item.more,
                "figures": item.figures,
                "curve": item.curve,
                "predictions": item.predictions,
                "events": item.events,
                "seconds": item.seconds,
            }
            for item in candidates
        ],
    }
