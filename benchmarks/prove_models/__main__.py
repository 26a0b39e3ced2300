"""The course of the proof. Progress goes to stderr; the last line on stdout is one JSON object of measured figures."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.prove_models import experiments, off_policy, outages, speed
from benchmarks.report import conclude, say, shortcomings

Figures = Mapping[str, float | None]
Part = Callable[[Path], Figures]
"""Measures in a folder of its own, starts and ends all that it needs there, and returns what it has measured."""

PARTS: Mapping[str, Part] = {
    "speed": speed.measure,
    "experiments": experiments.measure,
    "off_policy": off_policy.measure,
    "outages": outages.measure,
}
"""By name, as `python -m benchmarks.prove_models speed` runs them alone."""
KEYS = (
    *("bare_uncached_vs_constant", "bare_uncached_cpu_us", "bare_cached_vs_constant", "bare_cached_cpu_us"),
    *("full_uncached_cpu_us", "full_cached_cpu_us", "vs_redis_asyncio", "vs_feast", "stale"),
    *("aa_false_alarm", "aa_stated", "ab_coverage", "ab_stated", "ope_vs_obp", "ope_coverage", "ope_stated"),
    *("errors_5xx", "save_to_live_s"),
)
BESIDE = ("vs_bentoml", "p99_vs_constant", "p99_cached_vs_constant", "p99_vs_feast")
"""Judged and told as the keys are, but not among the figures as JSON, whose keys others rely on."""
LEAST = {
    "bare_uncached_vs_constant": 0.6,
    "bare_cached_vs_constant": 0.85,
    "vs_redis_asyncio": 4.0,
    "vs_feast": 20.0,
    "vs_bentoml": 12.0,
    "ab_coverage": 0.95,
    "ope_coverage": 0.95,
}
"""What a figure must reach."""
MOST = {
    "bare_uncached_cpu_us": 30.0,
    "bare_cached_cpu_us": 18.0,
    "full_uncached_cpu_us": 60.0,
    "full_cached_cpu_us": 40.0,
    "p99_vs_constant": 2.5,
    "p99_cached_vs_constant": 2.5,
    "p99_vs_feast": 0.1,
    "stale": 0.0,
    "aa_false_alarm": 0.05,
    "ope_vs_obp": 1e-9,
    "errors_5xx": 0.0,
    "save_to_live_s": 2.0,
}
"""What a figure may not pass."""


def main() -> None:
    """Run the parts that are named, or all, and print their figures; the exit code is 1 where they prove too little."""
    figures: dict[str, float | None] = dict.fromkeys((*KEYS, *BESIDE))
    with tempfile.TemporaryDirectory(prefix="millrace-proof-") as place:
        for name in sys.argv[1:] or PARTS:
            begun, folder = time.monotonic(), Path(place) / name
            folder.mkdir()
            found = PARTS[name](folder)
            unknown = found.keys() - figures.keys()
            if unknown:
                raise KeyError(f"{name} answers for what is no key of the proof: {', '.join(unknown)}")
            figures |= found
            say(f"{name}: {dict(found)} ({time.monotonic() - begun:.0f} s)")
    conclude({key: figures[key] for key in KEYS}, shortcomings(figures, LEAST, MOST))


if __name__ == "__main__":
    main()
