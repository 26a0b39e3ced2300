"""`make bench`: the parts of the proof that compare and wait, more often, as a report with tables and plots.

`python -m benchmarks.prove_streams.bench`; with `--quick` it only shows that it works, and the report is said and not
kept. Otherwise it writes `benchmarks/report.md` and the plots beside it. The plots are drawn in an environment of their
own, as Millrace needs no matplotlib.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from statistics import median, quantiles

import psutil

from benchmarks.prove_models.installation import Missing, installed, run
from benchmarks.prove_streams import costs, freshness, memory, rates, recovery
from benchmarks.prove_streams.__main__ import LEAST, MOST
from benchmarks.prove_streams.contestants import PACKAGES
from benchmarks.prove_streams.costs import STEPS, Costs
from benchmarks.prove_streams.extent import BENCH, QUICK, Extent
from benchmarks.prove_streams.plots import PLOTS, file
from benchmarks.report import attempt, say

REPORT = Path(__file__).parents[1] / "report.md"
PLOTTER = "matplotlib==3.11.2"
NAMES = {
    "ceiling": "ceiling: consume and decode in columns, nothing else",
    "item": "Millrace, per item (10,000 keys)",
    "user": "Millrace, per user (100,000 keys)",
    "fenced": "Millrace per user, the worker alone",
    "unfenced": "the same without the fence",
    "loop": "hand-written loop, per user",
    "bytewax": "Bytewax, per user",
    "quix": "Quix Streams, per user",
    "faust": "Faust, per user",
}
OURS = ("confluent-kafka", "fastavro", "polars", "pyruhvro", "redis")


@dataclass(frozen=True)
class Measured:
    """All that is reported.

    Attributes:
        rates: events per second of each round, by contestant.
        waits_ms: how long each event took into an answer, by load.
        figures: what is judged, by the names that the proof has for it.
        costs: where a worker's time goes, by fold.
    """

    rates: Mapping[str, Sequence[float]]
    waits_ms: Mapping[float, Sequence[float]]
    figures: Mapping[str, float | None]
    costs: Mapping[str, Costs] = field(default_factory=dict)


def main(arguments: Sequence[str]) -> None:
    """Measure and write."""
    extent = QUICK if "--quick" in arguments else BENCH
    with tempfile.TemporaryDirectory(prefix="millrace-bench-") as place:
        folder = Path(place)
        measured = _measured(folder, extent)
        if extent is QUICK:
            say(report(measured, machine(), _drawn(folder, measured, folder)))
            return
        REPORT.write_text(report(measured, machine(), _drawn(folder, measured, REPORT.parent)), "utf-8")
    say(f"{REPORT} is written.")


def _measured(folder: Path, extent: Extent) -> Measured:
    found: rates.Rates = attempt(lambda: rates.course(folder / "rates", extent), {})
    waits: dict[float, list[float]] = attempt(lambda: freshness.course(folder / "freshness", extent), {})
    figures: dict[str, float | None] = {**rates.ratios(found), **(freshness.at_half(waits) if waits else {})}
    for name, part in (("recovery", recovery.measure), ("memory", memory.measure)):
        figures |= attempt(partial(part, folder / name, extent), {})
    return Measured(found, waits, figures, attempt(partial(costs.course, folder / "costs"), {}))


def _drawn(folder: Path, measured: Measured, to: Path) -> bool:
    """Whether the plots could be drawn."""
    data = folder / "measured.json"
    data.write_text(json.dumps({"rates": measured.rates, "waits_ms": measured.waits_ms}), "utf-8")
    try:
        python = installed(folder / "plots", PLOTTER) / "python"
        run(Path.cwd(), str(python), "-m", "benchmarks.prove_streams.plots", str(data), str(to))
    except Missing as error:
        say(f"No plots can be drawn here: {error}")
        return False
    return True


def report(measured: Measured, on: Mapping[str, str], drawn: bool) -> str:
    """The page."""
    judged = {key: bound for key, bound in (LEAST | MOST).items() if key in measured.figures}
    parts = [
        "# What the runtime does\n\n`make bench` has written this file. All of a table took turns on one topic with 4 "
        "partitions (Avro in Confluent's wire format, 8 fields, 40 bytes), each with durable state, each one process. "
        "Only the ratios mean something elsewhere.",
        _table(("figure", "measured", "target", ""), (_judged(key, measured.figures[key], judged) for key in judged)),
        "## Events per second",
        _table(
            ("", "median", "lowest", "highest", "rounds", "Millrace per user beside it"),
            (_rate(name, found, measured.rates.get("user", ())) for name, found in measured.rates.items()),
        ),
        *_picture(drawn, "rates"),
        "## From an event to an answer\n\nAn event of a new user is emitted, and the service is asked over HTTP until "
        "its answer counts it, while plays flow at a share of what producer, worker and service can do together here.",
        _table(
            ("load", "events", "p50", "p90", "p99"),
            (_waits(share, waits) for share, waits in measured.waits_ms.items()),
        ),
        *_picture(drawn, "freshness"),
        *_where_the_time_goes(measured.costs),
        "## Where",
        _table(("", ""), on.items()),
    ]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def machine() -> dict[str, str]:
    """What it was measured on and with."""
    ours = ", ".join(f"{name} {version(name)}" for name in OURS)
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    return {
        "at": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, load of the machine at the end {load}",
        "machine": f"{platform.system()} {platform.machine()}, {psutil.cpu_count()} cores, "
        f"{psutil.virtual_memory().total / 2**30:.0f} GB",
        "Millrace": f"Python {platform.python_version()}, {ours}",
        **{name: ", ".join(packages) for name, packages in PACKAGES.items()},
    }


def _judged(key: str, value: float | None, judged: Mapping[str, float]) -> Sequence[str]:
    wanted = f"{'at least' if key in LEAST else 'at most'} {judged[key]:g}"
    if value is None:
        return key, "not measured", wanted, ""
    by = 1 - value / judged[key] if key in LEAST else value / judged[key] - 1
    return key, f"{value:g}", wanted, f"missed by {by:.0%}" if by > 0 else "reached"


def _where_the_time_goes(found: Mapping[str, Costs]) -> Iterator[str]:
    if not found:
        return
    yield (
        "## Where a worker's time goes\n\nMicroseconds of CPU for each event. All but the last step is the worker's, "
        "and Redis works beside it; reading from Kafka is not among them."
    )
    yield _table(
        ("step", *(f"per {fold}" for fold in found)),
        ((step, *(f"{each.steps[step]:.2f}" for each in found.values())) for step in STEPS),
    )
    for fold, each in found.items():
        yield f"The costliest functions of folding and packing per {fold}, with their shares of it:"
        yield _table(("function", "share"), ((f"`{name}`", f"{share:.0%}") for name, share in each.functions))


def _rate(name: str, found: Sequence[float], user: Sequence[float]) -> Sequence[str]:
    times = [mine / theirs for mine, theirs in zip(user, found, strict=False)]
    each = (f"{value:,.0f}" for value in (median(found), min(found), max(found)))
    return NAMES[name], *each, str(len(found)), f"{median(times):.2f}x" if times else "not measured"


def _waits(share: float, waits: Sequence[float]) -> Sequence[str]:
    cuts = quantiles(waits, n=100, method="inclusive")
    return f"{share:.0%}", str(len(waits)), *(f"{cuts[place]:.0f} ms" for place in (49, 89, 98))


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _picture(drawn: bool, name: str) -> Sequence[str]:
    return [f"![{PLOTS[name]}]({file(name)})"] if drawn else []


if __name__ == "__main__":
    main(sys.argv[1:])
