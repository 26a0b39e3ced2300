"""What backtests have found, as it is kept in `state_dir`, for the console."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from millrace.backtest.trials import PLAN, Kept

NEWEST = 50
"""So many are shown; what is older stays where it is."""
_SETTLED = 1_000_000_000
"""Nanoseconds after which a folder's time of change tells any later change from the last, however coarse its clock."""


class Results:
    """Everything below a folder of results. A file that cannot be read, as it is of another release, is passed over.
    Files are read again where their folder has changed; one thread at a time may ask."""

    def __init__(self, below: Path) -> None:
        self._below = below
        self._seen: dict[Path, tuple[int, Mapping[str, Any] | None]] = {}

    def results(self) -> Sequence[Mapping[str, Any]]:
        """See `serving.backtests`."""
        plans = sorted(self._below.glob(f"*/*/{PLAN}"), key=lambda file: file.stat().st_mtime, reverse=True)
        self._seen = {plan: self._look(plan) for plan in plans[:NEWEST]}
        return [found for _, found in self._seen.values() if found is not None]

    def _look(self, plan: Path) -> tuple[int, Mapping[str, Any] | None]:
        """When its folder has changed last, 0 = too late to rely on it; and what is there, None = nothing readable."""
        try:
            changed = plan.parent.stat().st_mtime_ns  # a trial that ends puts its file there in one step
            at, found = self._seen.get(plan, (0, None))
            if at != changed:
                found = _result(plan)
        except OSError:
            return 0, None
        except (ValueError, TypeError, AttributeError, LookupError):
            found = None
        return (changed if time.time_ns() - changed > _SETTLED else 0), found


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
