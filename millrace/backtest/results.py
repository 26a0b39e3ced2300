"""What backtests have found, as it is kept in `state_dir`, for the console."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from millrace.backtest.candidate import Candidate
from millrace.backtest.trials import PLAN, Kept, NotKept

NEWEST = 50
"""So many are shown; what is older stays where it is."""
BEYOND = 1e300
"""No point of a curve: a learner that diverges is wrong by numbers that cannot be drawn, or by infinity."""


class Results:
    """Everything below a folder of results. A file that cannot be read, as it is of another release, is passed over."""

    def __init__(self, below: Path) -> None:
        self._below = below
        self._complete: dict[Path, tuple[int, dict[str, Any]]] = {}

    def results(self) -> Sequence[Mapping[str, Any]]:
        """See `serving.backtests`."""
        plans = []
        for plan in self._below.glob(f"*/*/{PLAN}"):
            with suppress(OSError):
                plans.append((plan.stat().st_mtime, plan))
        found: dict[Path, tuple[int, dict[str, Any]]] = {}
        for began, plan in sorted(plans, reverse=True)[:NEWEST]:
            with suppress(OSError, NotKept):
                found[plan.parent] = self._read(plan.parent, began)
        self._complete = {folder: item for folder, item in found.items() if item[1]["done"] == item[1]["trials"]}
        return [result for _, result in found.values()]

    def _read(self, folder: Path, began: float) -> tuple[int, dict[str, Any]]:
        """One that is complete is not read again until its folder has changed, as it may have a thousand files."""
        changed = folder.stat().st_mtime_ns
        known = self._complete.get(folder)
        return known if known is not None and known[0] == changed else (changed, _result(folder, began))


def _result(folder: Path, began: float) -> dict[str, Any]:
    kept = Kept.there(folder)
    done = [found for number in range(len(kept.trials)) if (found := kept.found(number)) is not None]
    first = kept.trials[0].to_json()
    candidates = sorted((item for found in done for item in found), key=lambda item: item.rank)
    return {
        "name": folder.name,
        "product": folder.parent.name,
        "source": first["source"],
        "since": first["extent"]["since"],
        "until": first["extent"]["until"],
        "began": began,
        "trials": len(kept.trials),
        "done": len(done),
        "candidates": [
            {
                "title": item.title,
                "measure": item.measure,
                "more": item.more,
                "figures": item.figures,
                "curve": _points(item),
                "predictions": item.predictions,
                "events": item.events,
                "seconds": item.seconds,
            }
            for item in candidates
        ],
    }


def _points(item: Candidate) -> list[tuple[int, float]]:
    if item.measure not in item.figures:
        return []
    return [(at, value) for at, value in item.curve if at > 0 and abs(value) < BEYOND]
