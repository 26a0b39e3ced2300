"""Events per second beside the ceiling, a hand-written loop and other products: the same topic, in turns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks.prove_models.installation import Missing, installed
from benchmarks.prove_streams import contestants, plays
from benchmarks.prove_streams.contestants import Contestant
from benchmarks.prove_streams.extent import Extent
from benchmarks.prove_streams.progress import Standstill, measured
from benchmarks.prove_streams.stage import broker
from benchmarks.report import say
from millrace.settings import Settings

Rates = dict[str, list[float]]
"""Of each contestant, by name, the events per second of each round."""
OURS: Mapping[str, Contestant] = {
    "ceiling": contestants.ceiling,
    "item": partial(contestants.ours, "item"),
    "user": partial(contestants.ours, "user"),
    "loop": contestants.loop,
}
FENCE: Mapping[str, Contestant] = {kind: partial(contestants.fence, kind) for kind in ("fenced", "unfenced")}


@dataclass
class Course:
    """The topic, and what was measured on it so far."""

    folder: Path
    settings: Settings
    extent: Extent
    rates: Rates = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)
    _runs: int = 0

    def run(self, running: Mapping[str, Contestant], seconds: float) -> None:
        """One round: each from the beginning of the log, one after the other. Who fails is out of the next rounds."""
        for name, contestant in running.items():
            if name not in self.failed:
                try:
                    self._turn(name, contestant, seconds)
                except (Missing, Standstill) as error:
                    say(str(error))
                    self.failed.add(name)

    def _turn(self, name: str, contestant: Contestant, seconds: float) -> None:
        self._runs += 1
        with contestant(self.folder / f"{name}-{self._runs}", self.settings) as counting:
            found = measured(name, counting, self.extent.warm, seconds, self.extent.events)
        say(f"{name}: {found:,.0f} events/s")
        self.rates.setdefault(name, []).append(found)


def measure(folder: Path, extent: Extent) -> dict[str, float | None]:
    """The ratios; None for a peer that cannot be had."""
    return ratios(course(folder, extent))


def course(folder: Path, extent: Extent) -> Rates:
    """All rounds. Peers take part in the first rounds, between ours."""
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
    return running.rates


def ratios(rates: Rates) -> dict[str, float | None]:
    """What the rates say of each other: of two that took turns in all rounds, the median of the rounds' ratios."""
    return {
        "vs_ceiling.item": _ratio(rates, "item", "ceiling"),
        "vs_ceiling.user": _ratio(rates, "user", "ceiling"),
        "vs_loop": _ratio(rates, "user", "loop"),
        "vs_bytewax": _ratio(rates, "user", "bytewax"),
        "vs_quix": _ratio(rates, "user", "quix"),
        "vs_faust": _ratio(rates, "user", "faust"),
        "fenced_vs_unfenced": _ratio(rates, "fenced", "unfenced"),
    }


def _ratio(rates: Rates, one: str, other: str) -> float | None:
    pairs = list(zip(rates.get(one, []), rates.get(other, []), strict=False))
    return round(median(mine / theirs for mine, theirs in pairs), 3) if pairs else None


def _environments(folder: Path) -> dict[str, Path]:
    found = {}
    for name, packages in contestants.PACKAGES.items():
        try:
            found[name] = installed(folder / name, *packages)
        except Missing as error:
            say(f"{name} cannot be had here: {error}")
    return found
