"""The course of the proof. Progress goes to stderr; the last line on stdout is one JSON object of measured figures.

`python -m benchmarks.prove_batch PART` runs parts alone; with `--quick` it only shows that they work.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from benchmarks.course import Part, measured, sized
from benchmarks.prove_batch import archive, backtest, chain, distributed, killed, rebuild
from benchmarks.prove_batch.extent import PROOF, QUICK, Extent
from benchmarks.report import conclude, shortcomings

PARTS: Mapping[str, Part[Extent]] = {
    "archive": archive.measure,
    "killed": killed.measure,
    "backtest": backtest.measure,
    "rebuild": rebuild.measure,
    "distributed": distributed.measure,
    "chain": chain.measure,
}
KEYS = (
    *("archive_vs_ceiling", "backtest_vs_live", "backtest_equal", "rebuild_equal", "kills", "rebuild_rss_gib"),
    *("other_language_chain", "distributed_executors"),
)
"""The figures. Those that no part measures yet are null, and the exit code says so."""
LEAST = {
    "archive_vs_ceiling": 0.8,
    "kills": PROOF.kills,
    "backtest_vs_live": 2.0,
    "backtest_equal": 1.0,
    "rebuild_equal": 1.0,
    "distributed_executors": 2,
    "other_language_chain": 1,
}
"""What a figure must reach."""
MOST = {"rebuild_rss_gib": 1.5}
"""What a figure must not pass."""


def main(arguments: Sequence[str]) -> None:
    """Run the parts that are named, or all, and print their figures; the exit code is 1 where they prove too little."""
    names, extent = sized(arguments, PROOF, QUICK)
    figures = measured(PARTS, names, KEYS, extent)
    conclude(figures, shortcomings(figures, LEAST | {"kills": extent.kills}, MOST))


if __name__ == "__main__":
    main(sys.argv[1:])
