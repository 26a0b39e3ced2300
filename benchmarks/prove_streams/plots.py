"""The plots of the report, drawn by matplotlib: `plots MEASURED.JSON FOLDER`."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

PLOTS = {
    "rates": "Events per second by contestant, every round a dot",
    "parts": "Microseconds of CPU for each event, by part",
    "freshness": "Share of events that are in an answer after so many milliseconds, by load",
}
"""By file name."""
ORDER = (
    *(
        "ceiling",
        "backtest",
        "item",
        "user",
        "live",
        "fenced",
        "unfenced",
        "item redis",
        "user redis",
        "item postgresql",
    ),
    *("user postgresql", "item cassandra", "user cassandra", "loop", "bytewax", "quix", "faust", "bare", "like"),
)


def file(name: str) -> str:
    """The name of a plot's file, beside `report.md`."""
    return f"report-{name}.png"


def main() -> None:
    """Draw all of them."""
    measured, folder = json.loads(Path(sys.argv[1]).read_bytes()), Path(sys.argv[2])
    _rates(measured["rates"]).savefig(folder / file("rates"), dpi=120, bbox_inches="tight")
    _freshness(measured["waits_ms"]).savefig(folder / file("freshness"), dpi=120, bbox_inches="tight")
    if measured["parts"]:
        _parts(measured["parts"]).savefig(folder / file("parts"), dpi=120, bbox_inches="tight")


def _axes(title: str) -> tuple[Any, Any]:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 5), layout="constrained")
    axes.set_title(title, fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _rates(rates: Mapping[str, Sequence[float]]) -> Any:
    """Bars of the medians on a logarithmic axis: there are three powers of ten between them."""
    figure, axes = _axes(PLOTS["rates"])
    names = [name for name in reversed(ORDER) if name in rates]
    ours = ("item", "user", "live", "fenced", "like")
    colours = ["#1f6f8b" if name in ours else "#c0c5ce" for name in names]
    axes.barh(names, [median(rates[name]) for name in names], color=colours)
    for place, name in enumerate(names):
        axes.plot(rates[name], [place] * len(rates[name]), "k.", markersize=4)
        axes.annotate(f" {median(rates[name]):,.0f}", (max(rates[name]), place), va="center", fontsize=8)
    axes.set_xscale("log")
    axes.set_xlabel("events/s")
    return figure


def _parts(parts: Mapping[str, Mapping[str, float]]) -> Any:
    """One bar for each fold, cut into its parts."""
    figure, axes = _axes(PLOTS["parts"])
    done = dict.fromkeys(parts, 0.0)
    for name in dict.fromkeys(part for each in parts.values() for part in each):
        sizes = [each.get(name, 0.0) for each in parts.values()]
        axes.barh([f"per {fold}" for fold in parts], sizes, left=list(done.values()), label=name)
        done = {fold: start + size for (fold, start), size in zip(done.items(), sizes, strict=True)}
    axes.set_xlabel("microseconds; all but Redis is the worker's")
    axes.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.15), ncol=4)
    return figure


def _freshness(waits: Mapping[str, Sequence[float]]) -> Any:
    figure, axes = _axes(PLOTS["freshness"])
    for share, found in waits.items():
        ordered = sorted(found)
        axes.plot(
            ordered, [(place + 1) / len(ordered) for place in range(len(ordered))], label=f"{float(share):.0%} load"
        )
    axes.axvline(60, color="grey", linestyle=":", linewidth=1)
    axes.axvline(200, color="grey", linestyle=":", linewidth=1)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("{x:g}")
    axes.set_xlabel("milliseconds from the producer to the answer; dotted: the targets for p50 and p99 at half load")
    axes.set_ylim(0, 1)
    axes.legend()
    return figure


if __name__ == "__main__":
    main()
