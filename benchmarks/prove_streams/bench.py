"""`make bench`: the parts of the proof that compare and wait, more often, as a report with tables and plots.

`python -m benchmarks.prove_streams.bench`; with `--quick` it only shows that it works, and the report is said and not
kept. Otherwise it writes `benchmarks/report.md` and the plots beside it.
"""

from __future__ import annotations

import argparse
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

from benchmarks.course import Part
from benchmarks.prove_models.installation import Missing, run
from benchmarks.prove_streams import costs, flat, freshness, memory, rates, rebalanced, recovery, stores
from benchmarks.prove_streams.__main__ import LEAST, MOST
from benchmarks.prove_streams.contestants import PACKAGES
from benchmarks.prove_streams.costs import STEPS, Costs
from benchmarks.prove_streams.extent import BENCH, QUICK, Extent
from benchmarks.prove_streams.plots import PLOTS, file
from benchmarks.prove_streams.rates import FURTHER_LEAST
from benchmarks.prove_streams.spent import Spent
from benchmarks.prove_streams.turns import Course
from benchmarks.report import attempt, say
from millrace.settings import Settings

REPORT = Path(__file__).parents[1] / "report.md"
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
    "like": "Millrace, one event at a time: River's logistic regression",
    "bare": "that model in a bare loop over decoded events",
    "item redis": "Millrace per item, a commit every 250 ms, Redis",
    "user redis": "Millrace per user, a commit every 250 ms, Redis",
    "item postgresql": "the same per item, PostgreSQL",
    "user postgresql": "the same per user, PostgreSQL",
    "item cassandra": "the same per item, Cassandra",
    "user cassandra": "the same per user, Cassandra",
    "live": "Millrace per user, beside the backtest",
    "backtest": "per user over the archive, into memory",
}
AT_LEAST = LEAST | FURTHER_LEAST
AT_MOST = MOST | flat.MOST | rebalanced.MOST
WHAT = {
    "vs_ceiling.item": "into Redis, exactly once, per item, by the ceiling",
    "vs_ceiling.user": "the same per user",
    "vs_loop": "per user, by a careful hand-written loop",
    "vs_bytewax": "per user, by Bytewax",
    "vs_quix": "per user, by Quix Streams",
    "vs_faust": "per user, by Faust",
    "fenced_vs_unfenced": "the worker with its fence, by the same without",
    "freshness_ms.p50": "from an event to the HTTP answer that counts it, at half load, ms",
    "freshness_ms.p99": "the same, 99th percentile",
    "recovery_s": "a worker is killed, until its partitions move again, s, the longest",
    "rss_ratio": "memory after 10M events, by that after 1M",
    "rss_ratio.rebalances": "memory after 100 rebalances, by that after 20",
    "cpu_ratio.partitions": "CPU of an event on 32 partitions, by that on one",
    "cpu_ratio.workers": "CPU of an event in two workers, by that in one",
    "postgresql_vs_redis.item": "PostgreSQL per item, by Redis, both with a commit every 250 ms",
    "postgresql_vs_redis.user": "the same per user",
    "cassandra_vs_redis.item": "Cassandra per item, by Redis, both with a commit every 250 ms",
    "cassandra_vs_redis.user": "the same per user",
    "model_vs_bare": "River's model in an event learner, by that model in a bare loop",
    "backtest_vs_live": "the fold per user over the archive, by the live one",
}
"""What each figure is."""
REST = "the worker's rest: threads, polling, garbage"
BOTH = ("worker", "redis")
PARTS: Mapping[str, Part[Extent]] = {
    "recovery": recovery.measure,
    "memory": memory.measure,
    "flat": flat.measure,
    "rebalances": rebalanced.measure,
}
APART = frozenset((*stores.NAMES, "live", "backtest"))
"""Who has taken no turns with the others."""
OURS = ("confluent-kafka", "fastavro", "polars", "pyruhvro", "redis")


@dataclass(frozen=True)
class Measured:
    """All that is reported.

    Attributes:
        rates: events per second of each round, by contestant.
        waits_ms: how long each event took into an answer, by load.
        figures: what is judged, by the names that the proof has for it.
        costs: where a worker's time goes, by fold.
        cpu: what an event has cost in the rounds, by contestant.
    """

    rates: Mapping[str, Sequence[float]]
    waits_ms: Mapping[float, Sequence[float]]
    figures: Mapping[str, float | None]
    costs: Mapping[str, Costs] = field(default_factory=dict)
    cpu: Mapping[str, Sequence[Spent]] = field(default_factory=dict)

    @property
    def parts(self) -> dict[str, dict[str, float]]:
        """Microseconds of CPU for each event, by fold and part. What the ceiling costs beyond decoding is consuming."""
        found = {}
        for fold, each in self.costs.items():
            worker, read = self.spent(fold, "worker"), self.spent("ceiling", "worker")
            parts = {"consume": max(0.0, read - each.steps["decode"])} if read else {}
            parts |= {step: each.steps[step] for step in STEPS if step != "redis"}
            if worker:
                parts[REST] = max(0.0, worker - sum(parts.values()))
            found[fold] = {**parts, "redis": self.spent(fold, "redis") or each.steps["redis"]}
        return found

    def spent(self, contestant: str, part: str) -> float:
        """The median of the rounds; 0 where there was none."""
        return median(each[part] for each in self.cpu[contestant]) if contestant in self.cpu else 0.0


def main(arguments: Sequence[str]) -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser("python -m benchmarks.prove_streams.bench", description="Takes 25 minutes.")
    parser.add_argument("--quick", action="store_true", help="only show that it works; the report is said and not kept")
    extent = QUICK if parser.parse_args(arguments).quick else BENCH
    with tempfile.TemporaryDirectory(prefix="millrace-bench-") as place:
        folder = Path(place)
        measured = _measured(folder, extent)
        if extent is QUICK:
            say(report(measured, machine(), _drawn(folder, measured, folder)))
            return
        REPORT.write_text(report(measured, machine(), _drawn(folder, measured, REPORT.parent)), "utf-8")
    say(f"{REPORT} is written.")


def _measured(folder: Path, extent: Extent) -> Measured:
    nothing = Course(folder, Settings(), extent)
    course = attempt(lambda: rates.course(folder / "rates", extent), nothing)
    waits: dict[float, list[float]] = attempt(lambda: freshness.course(folder / "freshness", extent), {})
    figures: dict[str, float | None] = dict.fromkeys(WHAT)
    figures |= rates.ratios(course.rates) | rates.further_ratios(course.rates)
    figures |= freshness.at_half(waits) if waits else {}
    for name, part in PARTS.items():
        figures |= attempt(partial(part, folder / name, extent), {})
    spent = attempt(partial(costs.course, folder / "costs"), {})
    return Measured(course.rates, waits, figures, spent, course.cpu)


def _drawn(folder: Path, measured: Measured, to: Path) -> bool:
    """Whether the plots could be drawn."""
    data = folder / "measured.json"
    found = {"rates": measured.rates, "waits_ms": measured.waits_ms, "parts": measured.parts}
    data.write_text(json.dumps(found), "utf-8")
    try:
        run(Path.cwd(), sys.executable, "-m", "benchmarks.prove_streams.plots", str(data), str(to))
    except Missing as error:
        say(f"No plots can be drawn here: {error}")
        return False
    return True


def report(measured: Measured, on: Mapping[str, str], drawn: bool) -> str:
    """The page."""
    judged = [key for key in WHAT if key in measured.figures]
    parts = [
        "# What the runtime does\n\n`make bench` has written this file. Whose events per second are compared took "
        "turns on one topic with 4 partitions (Avro in Confluent's wire format, 8 fields, 40 bytes), each one process, "
        "with durable state where it counts; the other storages (Cassandra's server after some work) and the backtest "
        "had turns of their own at the end. Only the ratios mean something elsewhere.",
        _table(("figure", "what", "measured", "target", ""), (_judged(key, measured.figures[key]) for key in judged)),
        "## Events per second",
        _table(
            ("", "median", "lowest", "highest", "rounds", "Millrace per user beside it"),
            (
                _rate(name, found, () if name in APART else measured.rates.get("user", ()))
                for name, found in measured.rates.items()
            ),
        ),
        *_picture(drawn, "rates"),
        "## From an event to an answer\n\nAn event of a new user is emitted, and the service is asked over HTTP until "
        "its answer counts it, while plays flow at a share of what producer, worker and service can do together here.",
        _table(
            ("load", "events", "p50", "p90", "p99"),
            (_waits(share, waits) for share, waits in measured.waits_ms.items() if len(waits) > 1),
        ),
        *_picture(drawn, "freshness"),
        *_where_the_time_goes(measured),
        *_picture(drawn and bool(measured.costs), "parts"),
        *_processes(measured),
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


def _judged(key: str, value: float | None) -> Sequence[str]:
    bound = AT_LEAST[key] if key in AT_LEAST else AT_MOST[key]
    wanted = f"{'at least' if key in AT_LEAST else 'at most'} {bound:g}"
    if value is None:
        return key, WHAT[key], "not measured", wanted, ""
    by = _missed_by(key, value)
    return (
        key,
        WHAT[key],
        f"{value:g}",
        wanted,
        f"missed by {f'{by:.0%}' if by >= 0.005 else 'less than 1%'}" if by > 0 else "reached",
    )


def _missed_by(key: str, value: float) -> float:
    """The share of the target; 0 or less where it is reached."""
    return 1 - value / AT_LEAST[key] if key in AT_LEAST else value / AT_MOST[key] - 1


def _where_the_time_goes(measured: Measured) -> Iterator[str]:
    if not measured.costs:
        return
    missed = [key for key, value in measured.figures.items() if value is not None and _missed_by(key, value) > 0]
    parts = measured.parts
    yield (
        "## Where the time goes\n\n"
        + (f"Missed: {', '.join(missed)}. " if missed else "")
        + "Microseconds of CPU for each event of this run. All but the last part is the worker's; Redis and Kafka work "
        "beside it, on the same cores."
    )
    names = list(dict.fromkeys(part for each in parts.values() for part in each))
    yield _table(
        ("part", *(f"per {fold}" for fold in parts)),
        ((name, *(f"{each[name]:.2f}" if name in each else "" for each in parts.values())) for name in names),
    )
    for fold, each in parts.items():
        if found := measured.rates.get(fold):
            costly = max(each, key=lambda part: each[part])
            yield (
                f"Per {fold} an event costs {sum(each.values()):.1f} us of CPU, {each[costly]:.1f} of them for "
                f"{costly}; at {median(found):,.0f} events/s that is {sum(each.values()) * median(found) / 1e6:.1f} of "
                f"{psutil.cpu_count()} cores. The next lever is {costly}."
            )
    for fold, costly_functions in measured.costs.items():
        yield f"The costliest functions of folding and packing per {fold}, with their shares of it:"
        shares = ((f"`{name}`", f"{share:.0%}") for name, share in costly_functions.functions)
        yield _table(("function", "share"), shares)


def _processes(measured: Measured) -> Iterator[str]:
    if measured.cpu:
        yield "What an event costs in the processes of each, microseconds of CPU, the median of the rounds:"
        rows = ((NAMES[name], *(f"{measured.spent(name, part):.2f}" for part in BOTH)) for name in measured.cpu)
        yield _table(("", "its own", "Redis's"), rows)


def _rate(name: str, found: Sequence[float], user: Sequence[float]) -> Sequence[str]:
    times = [mine / theirs for mine, theirs in zip(user, found, strict=False)]
    each = (f"{value:,.0f}" for value in (median(found), min(found), max(found)))
    return NAMES[name], *each, str(len(found)), f"{median(times):.2f}x" if times else ""


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
