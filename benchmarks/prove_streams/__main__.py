"""The course of the proof. Progress goes to stderr; the last line on stdout is one JSON object of measured figures.

`python -m benchmarks.prove_streams PART` runs parts alone; with `--quick` it only shows that they work.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.course import Figures, Part, measured, sized
from benchmarks.prove_streams import chained, faust_example, freshness, memory, rates, recovery
from benchmarks.prove_streams.extent import PROOF, QUICK, Extent
from benchmarks.report import conclude, shortcomings

PARTS: Mapping[str, Part[Extent]] = {
    "rates": rates.measure,
    "memory": memory.measure,
    "freshness": freshness.measure,
    "recovery": recovery.measure,
    "chain": chained.measure,
    "faust": faust_example.measure,
}
KEYS = (
    *("vs_ceiling.item", "vs_ceiling.user", "vs_loop", "vs_bytewax", "vs_quix", "vs_faust", "fenced_vs_unfenced"),
    *("freshness_ms.p50", "freshness_ms.p99", "recovery_s", "rss_ratio"),
    *("chain_lost", "chain_doubled", "faust_events"),
)
"""The figures; "a.b" is `b` in the object `a`."""
LEAST = {
    "vs_ceiling.item": 0.7,
    "vs_ceiling.user": 0.5,
    "vs_loop": 3.0,
    "vs_bytewax": 10.0,
    "vs_quix": 15.0,
    "vs_faust": 100.0,
    "fenced_vs_unfenced": 0.85,
    "faust_events": PROOF.faust_events,
}
"""What a figure must reach."""
MOST = {
    "freshness_ms.p50": 60.0,
    "freshness_ms.p99": 200.0,
    "recovery_s": 3.0,
    "rss_ratio": 1.1,
    "chain_lost": 0.0,
    "chain_doubled": 0.0,
}
"""What a figure may not pass."""


def main(arguments: Sequence[str]) -> None:
    """Run the parts that are named, or all, and print their figures; the exit code is 1 where they prove too little."""
    names, extent = sized(arguments, PROOF, QUICK)
    figures = measured(PARTS, names, KEYS, extent)
    least = LEAST | {"faust_events": extent.faust_events}
    conclude(nested(figures), shortcomings(figures, least, MOST))


def nested(figures: Figures) -> dict[str, Any]:
    """With objects for those whose names have two parts."""
    found: dict[str, Any] = {}
    for name, value in figures.items():
        group, _, key = name.partition(".")
        if key:
            found.setdefault(group, {})[key] = value
        else:
            found[group] = value
    return found


if __name__ == "__main__":
    main(sys.argv[1:])
