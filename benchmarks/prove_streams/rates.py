"""Events per second beside the ceiling, a hand-written loop and other products: the same topic, in turns."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from benchmarks.prove_models.installation import Missing, installed
from benchmarks.prove_streams import backtested, contestants, plays, stores
from benchmarks.prove_streams.contestants import Contestant
from benchmarks.prove_streams.extent import Extent
from benchmarks.prove_streams.stage import broker
from benchmarks.prove_streams.turns import Course, Rates, ratio
from benchmarks.report import attempt, say

OURS: Mapping[str, Contestant] = {
    "ceiling": contestants.ceiling,
    "item": partial(contestants.ours, "item"),
    "user": partial(contestants.ours, "user"),
    "loop": contestants.loop,
}
MODEL: Mapping[str, Contestant] = {"like": partial(contestants.ours, "like"), "bare": contestants.bare}
FURTHER_LEAST = {**stores.LEAST, "model_vs_bare": 0.85, "backtest_vs_live": 2.0}
"""What they must reach."""
FENCE: Mapping[str, Contestant] = {kind: partial(contestants.fence, kind) for kind in ("fenced", "unfenced")}


def measure(folder: Path, extent: Extent) -> dict[str, float | None]:
    """The ratios; None for a peer that cannot be had."""
    return ratios(course(folder, extent).rates)


def course(folder: Path, extent: Extent) -> Course:
    """All rounds. Peers take part in the first rounds, between ours; the other storages come last, and the
    backtest with a live turn of its own just before it."""
    peers = contestants.peers(_environments(folder / "environments"))
    with broker(folder / "stack") as settings:
        plays.fill(settings, extent.events)
        running = Course(folder, settings, extent)
        for number in range(max(extent.rounds, extent.peer_rounds, extent.fence_rounds)):
            if number < extent.rounds:
                running.run(OURS, extent.seconds)
            if number < extent.fence_rounds:
                turns = FENCE if number % 2 else dict(reversed(FENCE.items()))
                running.run(turns, extent.seconds)
            if number < extent.peer_rounds:
                running.run(peers, extent.peer_seconds)
            if number < extent.model_rounds:
                running.run(MODEL, extent.seconds)
        if extent.stores:
            with stores.running(folder / "stores", settings, extent.seconds) as others:
                running.run(others, extent.seconds)
            running.run({"live": OURS["user"]}, extent.seconds)
            backtest = attempt(partial(backtested.rate, folder / "backtest", settings, extent.events), None)
            if backtest is not None:
                say(f"backtest: {backtest:,.0f} events/s")
                running.rates["backtest"] = [backtest]
    return running


def ratios(rates: Rates) -> dict[str, float | None]:
    """What the rates say of each other: of two that took turns in all rounds, the median of the rounds' ratios."""
    return {
        "vs_ceiling.item": ratio(rates, "item", "ceiling"),
        "vs_ceiling.user": ratio(rates, "user", "ceiling"),
        "vs_loop": ratio(rates, "user", "loop"),
        "vs_bytewax": ratio(rates, "user", "bytewax"),
        "vs_quix": ratio(rates, "user", "quix"),
        "vs_faust": ratio(rates, "user", "faust"),
        "fenced_vs_unfenced": ratio(rates, "fenced", "unfenced"),
    }


def further_ratios(rates: Rates) -> dict[str, float | None]:
    """What only the report says of them."""
    return {
        **stores.ratios(rates),
        "model_vs_bare": ratio(rates, "like", "bare"),
        "backtest_vs_live": ratio(rates, "backtest", "live"),
    }


def _environments(folder: Path) -> dict[str, Path]:
    found = {}
    for name, packages in contestants.PACKAGES.items():
        try:
            found[name] = installed(folder / name, *packages)
        except Missing as error:
            say(f"{name} cannot be had here: {error}")
    return found
