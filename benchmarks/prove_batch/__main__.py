"""The course of the proof. Progress goes to stderr; the last line on stdout is one JSON object of measured figures.

`python -m benchmarks.prove_batch PART` runs parts alone; with `--quick` it only shows that they work.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from benchmarks.prove_batch import archive, killed
from benchmarks.prove_batch.extent import PROOF, QUICK, Extent
from benchmarks.report import attempt, conclude, say, shortcomings

Figures = Mapping[str, float | None]
Part = Callable[[Path, Extent], Figures]
"""Measures in a folder of its own, starts and ends all that it needs there, and returns what it has measured."""

PARTS: Mapping[str, Part] = {"archive": archive.measure, "killed": killed.measure}
KEYS = (
    *("archive_vs_ceiling", "backtest_vs_live", "backtest_equal", "rebuild_equal", "kills", "rebuild_rss_gib"),
    *("other_language_chain", "distributed_executors"),
)
"""The figures. Those that no part measures yet are null, and the exit code says so."""
LEAST = {"archive_vs_ceiling": 0.8, "kills": PROOF.kills}
"""What a figure must reach."""


def main(arguments: Sequence[str]) -> None:
    """Run the parts that are named, or all, and print their figures; the exit code is 1 where they prove too little."""
    names = [name for name in arguments if name != "--quick"]
    extent = PROOF if len(names) == len(arguments) else QUICK
    figures: dict[str, float | None] = dict.fromkeys(KEYS)
    with tempfile.TemporaryDirectory(prefix="millrace-proof-") as place:
        for name in names or PARTS:
            found: Figures = attempt(partial(PARTS[name], Path(place) / name, extent), {})
            figures |= found
            say(f"{name}: {dict(found)}")
    conclude(figures, shortcomings(figures, LEAST | {"kills": extent.kills}, {}))


if __name__ == "__main__":
    main(sys.argv[1:])
